// Owns: the profile of Socket.IO 3 and 4 over the WebSocket transport.
import { bytesOf, type Frame } from "../frame.ts";
import type { Cancel, Profile, ProfileOut, ProfileSession, Saved } from "../profile.ts";
import { Joining, type Recovery } from "./socketio-joining.ts";
import { Namespace } from "./socketio-namespace.ts";
import {
  ACK,
  BINARY_ACK,
  BINARY_EVENT,
  CONNECT,
  CONNECT_ERROR,
  DISCONNECT,
  EVENT,
  frameOf,
  objectOf,
  type Packet,
  packetOf,
} from "./socketio-packet.ts";
import { readSaved, savedFrames } from "./socketio-saved.ts";

export interface SocketIoRules {
  /** Events that want an answer and have none are sent to the next server, too. Default false. */
  readonly idempotent?: boolean;
  /**
   * What becomes of other events without an answer. `close`: the client is closed with 1012, and
   * its handlers get an error. `timeout`: the client's own timeouts run. Default `close`.
   */
  readonly unanswered?: "close" | "timeout";
  /**
   * The client gets `connect` again if the next server does not know its session, so that it joins
   * its rooms again. Default true.
   */
  readonly connectAgain?: boolean;
  /** How long a server may take to put a session aside for others. Default 25. */
  readonly recoverAfterMs?: number;
}

/** Engine.IO's kinds of messages, of which only those with one character end here. */
const OPEN = "0";
const PING = "2";
const PONG = "3";
const NOOP = "6";

const [NORMAL, NO_CODE, SERVICE_RESTART] = [1000, 1005, 1012];
/** Servers in a row that may refuse a namespace which another had accepted. */
const DENIALS_MAX = 2;
/**
 * Of one client's events that are kept to be sent again, and of one packet that waits for its
 * attachments. What is beyond is not sent again, and passes at once.
 */
const KEPT_BYTES_MAX = 64 * 1024;
/** As servers of Socket.IO have it. */
const PING_INTERVAL_MS = 25_000;

interface Begun {
  readonly packet: Packet;
  readonly frames: Frame[];
  bytes: number;
}

/**
 * Engine.IO ends in the gateway: it pings the client, and answers the servers' pings. Each
 * namespace is joined again, with its login, and with session and offset if the servers recover
 * connections. Holes: without that, events that were emitted between two servers; always, what the
 * former server had taken and not answered, unless the event wanted an answer.
 */
export function socketioProfile(rules: SocketIoRules = {}): Profile {
  const recovery: Recovery = { inVain: 0 };
  return {
    ...{ name: "socketio", rehomes: true, quietMs: 50 },
    create: (out) => new SocketIo(rules, out, recovery),
    restore(out, saved) {
      const session = new SocketIo(rules, out, recovery);
      return session.restore(saved) ? session : undefined;
    },
  };
}

class SocketIo implements ProfileSession {
  /** A session is put aside for the next server once its socket is gone. */
  readonly attachesAlone = true;
  readonly #rules: Required<SocketIoRules>;
  readonly #out: ProfileOut;
  /** `passing`: it is something else, and is closed if its server goes. */
  #mode: "new" | "held" | "passing" = "new";
  readonly #namespaces = new Map<string, Namespace>();
  /** A packet of the client that waits for its last attachments, so that no move cuts it. */
  #begun: Begun | undefined;
  /** Attachments that are still to come, of packets that have begun to pass. */
  readonly #missing = { fromClient: 0, fromServer: 0 };
  /** Namespaces that the next server has not answered. */
  #unjoined = new Set<string>();
  readonly #recovery: Recovery;
  #joining: Joining;
  #denials = 0;
  #pingIntervalMs = PING_INTERVAL_MS;
  #cancelPing: Cancel = () => {};

  constructor(rules: SocketIoRules, out: ProfileOut, recovery: Recovery) {
    const { idempotent = false, unanswered = "close" } = rules;
    const { connectAgain = true, recoverAfterMs = 25 } = rules;
    this.#rules = { idempotent, unanswered, connectAgain, recoverAfterMs };
    this.#out = out;
    this.#recovery = recovery;
    this.#joining = new Joining(out, recovery, true);
  }

  save(): Saved {
    return savedFrames({
      pingIntervalMs: this.#pingIntervalMs,
      namespaces: [...this.#namespaces.values()].map((one) => one.save()),
      begun: this.#begun?.frames ?? [],
    });
  }

  /** False: this is no client of the profile. */
  restore(frames: Saved): boolean {
    const saved = readSaved(frames);
    if (saved === undefined) return false;
    this.#mode = "held";
    this.#pingIntervalMs = saved.pingIntervalMs;
    this.#pingLater();
    for (const one of saved.namespaces) {
      const data = Object.keys(one.auth).length === 0 ? "" : JSON.stringify(one.auth);
      const packet = { type: CONNECT, attachments: 0, namespace: one.name, id: undefined, data };
      const namespace = new Namespace(packet);
      namespace.restore(one);
      this.#namespaces.set(one.name, namespace);
    }
    const [text, ...attachments] = saved.begun;
    const packet = typeof text === "string" ? packetOf(text) : undefined;
    // It waits for more: it is not sent to anybody yet.
    if (packet !== undefined && packet.attachments > attachments.length) {
      const bytes = saved.begun.reduce((sum, frame) => sum + bytesOf(frame), 0);
      this.#begun = { packet, frames: [...saved.begun], bytes };
    }
    return true;
  }

  get rehomes(): boolean {
    return this.#mode !== "passing";
  }

  get isQuiet(): boolean {
    if (this.#missing.fromClient + this.#missing.fromServer > 0) return false;
    for (const { isConnected, unanswered } of this.#namespaces.values())
      if (!isConnected || unanswered > 0) return false;
    return true;
  }

  get bytes(): number {
    let bytes = this.#begun?.bytes ?? 0;
    for (const frame of this.#joining.early) bytes += bytesOf(frame);
    for (const namespace of this.#namespaces.values()) bytes += namespace.bytes;
    return bytes;
  }

  /** Engine.IO closes sockets without a code. A server that ends has not left the namespaces. */
  isGone(code: number): true | undefined {
    const isOfServer = code === NO_CODE || code === NORMAL;
    return isOfServer && this.#mode === "held" && this.#namespaces.size > 0 ? true : undefined;
  }

  /** Whether a client is there is found out by the gateway's own pings. */
  takes(frame: Frame): boolean {
    return this.#mode === "held" && frame === PONG;
  }

  fromClient(frame: Frame): void {
    // An upgrade from polling, or another version: its first word is not a server's.
    if (this.#mode === "new" || frame === PING) this.#pass();
    if (this.#mode === "passing") return this.#out.toUpstream(frame);
    if (typeof frame !== "string") return this.#attachmentOfClient(frame);
    // Text between attachments: the server will end this client.
    for (const begun of this.#begun?.frames ?? []) this.#out.toUpstream(begun);
    this.#begun = undefined;
    const packet = packetOf(frame);
    if (packet === undefined) this.#out.toUpstream(frame);
    else if (packet.attachments === 0) this.#packetOfClient(packet, [frame]);
    else this.#begun = { packet, frames: [frame], bytes: bytesOf(frame) };
  }

  fromUpstream(frame: Frame): void {
    if (this.#mode === "passing") return this.#out.toClient(frame);
    if (this.#mode === "new" && typeof frame === "string" && frame.startsWith(OPEN))
      return this.#opened(frame);
    if (typeof frame !== "string") return this.#attachmentOfServer(frame);
    if (frame === PING) return this.#out.toUpstream(PONG);
    if (frame === NOOP || frame.startsWith(OPEN)) return;
    const packet = packetOf(frame);
    if (packet === undefined) return this.#out.toClient(frame);
    this.#missing.fromServer = packet.attachments;
    this.#packetOfServer(packet, frame);
  }

  attach(isWhole: boolean): void {
    this.#joining.isOver = true;
    this.#joining = new Joining(this.#out, this.#recovery, isWhole);
    this.#unjoined = new Set(this.#namespaces.keys());
    if (this.#mode !== "held") this.#out.attached();
  }

  fromNext(frame: Frame): void {
    if (frame === PING) return this.#out.toNext(PONG);
    if (typeof frame === "string" && frame.startsWith(OPEN)) return this.#join();
    if (this.#joining.drops(frame)) return;
    const packet = typeof frame === "string" ? packetOf(frame) : undefined;
    const namespace = packet && this.#namespaces.get(packet.namespace);
    if (packet?.type === CONNECT && namespace !== undefined) this.#joined(namespace, packet, frame);
    else if (packet?.type === CONNECT_ERROR && namespace !== undefined)
      this.#denied(namespace, frame);
    else if (frame !== NOOP) this.#joining.early.push(frame);
  }

  switched(): void {
    this.#denials = 0;
    const cut = this.#missing.fromClient + this.#missing.fromServer;
    if (cut > 0) return this.#out.end(SERVICE_RESTART, "A message was cut in two");
    for (const namespace of this.#namespaces.values()) namespace.moved();
    for (const frame of this.#joining.early.splice(0)) this.fromUpstream(frame);
    for (const namespace of this.#namespaces.values()) {
      const { again, lost } = namespace.takeUnanswered();
      if (lost > 0 && this.#rules.unanswered === "close")
        return this.#out.end(SERVICE_RESTART, "The server went without an answer");
      for (const frame of again) this.#out.toUpstream(frame);
    }
  }

  #opened(frame: string): void {
    this.#mode = "held";
    const open = objectOf(frame.slice(1));
    const { pingInterval } = open;
    if (typeof pingInterval === "number" && pingInterval > 0) this.#pingIntervalMs = pingInterval;
    this.#out.toClient(OPEN + JSON.stringify({ ...open, upgrades: [] }));
    this.#pingLater();
  }

  /** It is no Socket.IO that this profile knows. From now on frames pass as they are. */
  #pass(): void {
    this.#mode = "passing";
    this.#cancelPing();
    this.#namespaces.clear();
    for (const begun of this.#begun?.frames ?? []) this.#out.toUpstream(begun);
    this.#begun = undefined;
  }

  #pingLater(): void {
    this.#cancelPing = this.#out.after(this.#pingIntervalMs, () => {
      this.#out.toClient(PING);
      this.#pingLater();
    });
  }

  #attachmentOfClient(frame: Uint8Array): void {
    if (this.#missing.fromClient > 0) {
      this.#missing.fromClient -= 1;
      return this.#out.toUpstream(frame);
    }
    const begun = this.#begun;
    if (begun === undefined) {
      // Another parser than Socket.IO's own.
      this.#pass();
      return this.#out.toUpstream(frame);
    }
    begun.frames.push(frame);
    begun.bytes += bytesOf(frame);
    const missing = begun.packet.attachments - (begun.frames.length - 1);
    if (missing > 0 && begun.bytes <= KEPT_BYTES_MAX) return;
    this.#begun = undefined;
    this.#missing.fromClient = missing;
    this.#packetOfClient(begun.packet, begun.frames);
  }

  #attachmentOfServer(frame: Uint8Array): void {
    if (this.#missing.fromServer === 0) this.#pass();
    else this.#missing.fromServer -= 1;
    this.#out.toClient(frame);
  }

  #packetOfClient(packet: Packet, frames: readonly Frame[]): void {
    const { type, namespace: name, id } = packet;
    const namespace = this.#namespaces.get(name);
    let told = frames;
    if (type === CONNECT) this.#namespaces.set(name, new Namespace(packet));
    else if (type === DISCONNECT) this.#namespaces.delete(name);
    else if (type === ACK || type === BINARY_ACK) told = answerOf(packet, frames, namespace);
    else if (id !== undefined) namespace?.asks(id, this.#mayKeep(frames) ? frames : []);
    for (const frame of told) this.#out.toUpstream(frame);
  }

  /** Whether they are all of an event that may be sent again, and not too much. */
  #mayKeep(frames: readonly Frame[]): boolean {
    if (!this.#rules.idempotent || this.#missing.fromClient > 0) return false;
    let bytes = frames.reduce((sum, frame) => sum + bytesOf(frame), 0);
    for (const { framesBytes } of this.#namespaces.values()) bytes += framesBytes;
    return bytes <= KEPT_BYTES_MAX;
  }

  #packetOfServer(packet: Packet, frame: string): void {
    const { type, namespace: name, id, data } = packet;
    const namespace = this.#namespaces.get(name);
    let told = packet;
    // Servers of version 2 join a client to a namespace unasked, and give it no id.
    if (type === CONNECT && data === "") this.#pass();
    else if (type === CONNECT) namespace?.connected(data);
    else if (type === CONNECT_ERROR || type === DISCONNECT) this.#namespaces.delete(name);
    else if (type === ACK || type === BINARY_ACK) namespace?.answered(id);
    else if (type === EVENT || type === BINARY_EVENT) told = namespace?.event(packet) ?? packet;
    this.#out.toClient(told === packet ? frame : frameOf(told));
  }

  /** The next server is open: it hears of each namespace. */
  #join(): void {
    const all = [...this.#namespaces.values()];
    if (all.length === 0) return this.#out.attached();
    const joining = this.#joining;
    const join = (): void => {
      if (!joining.isOver) for (const { connect } of all) this.#out.toNext(connect);
    };
    if (all.some(({ mayBeRecovered }) => mayBeRecovered))
      this.#out.after(this.#rules.recoverAfterMs, join);
    else join();
  }

  #joined(namespace: Namespace, packet: Packet, frame: Frame): void {
    if (this.#joining.asksAgain(namespace, packet.data)) return;
    const isFirst = !namespace.isConnected;
    const isRecovered = namespace.connected(packet.data);
    if (isFirst || (!isRecovered && this.#rules.connectAgain)) this.#joining.early.push(frame);
    this.#answered(namespace);
  }

  #denied(namespace: Namespace, frame: Frame): void {
    if (!namespace.isConnected) {
      this.#joining.early.push(frame);
      return this.#answered(namespace);
    }
    this.#denials += 1;
    if (this.#denials < DENIALS_MAX) this.#out.refused(`it refused namespace ${namespace.name}`);
    else this.#out.end(SERVICE_RESTART, "Servers refuse a namespace");
  }

  #answered({ name }: Namespace): void {
    if (this.#unjoined.delete(name) && this.#unjoined.size === 0) this.#out.attached();
  }
}

/** The client's answer as its server is to hear it: nothing if the server that asked is gone. */
function answerOf(
  packet: Packet,
  frames: readonly Frame[],
  namespace: Namespace | undefined,
): readonly Frame[] {
  const answer = namespace === undefined ? packet : namespace.answer(packet);
  return answer === undefined ? [] : [frameOf(answer), ...frames.slice(1)];
}
