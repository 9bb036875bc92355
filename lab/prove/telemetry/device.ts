// Owns: one device of the proof: a session of MQTT 5 that goes on, events at QoS 1, each again on
// the next connection until a node has acknowledged it.
import type { Ack } from "./ack-log.ts";
import { type DeviceEvent, deviceName, markOf, saidMs, saidValue, siteOf } from "./events.ts";
import {
  connectPacket,
  DISCONNECT,
  type FromNode,
  markAgain,
  PacketReader,
  PINGREQ,
  publishPacket,
} from "./packets.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What devices of one process share. */
export interface DeviceGround {
  readonly seed: number;
  readonly sites: number;
  /** Nodes that take connections now. */
  targets: readonly Target[];
  readonly token: (clientId: string) => string;
  acknowledged(ack: Ack, roundTripMs: number): void;
  count(what: DeviceCount): void;
}

export type DeviceCount =
  | "connects"
  | "sessionsLost"
  | "again"
  | "refusedConnects"
  | "refusedEvents"
  | "silent"
  | "closed"
  | "moved"
  | "notMade";

type Made = Omit<Ack, "device">;

interface UnderWay extends Made {
  sentMs: number;
  readonly packet: Uint8Array;
}

const KEEP_ALIVE_S = 30;
const SESSION_EXPIRY_S = 3600;
/**
 * A device that waits so long for an acknowledgement tries another node; twice as long the next
 * time, until it gets one: what is overloaded does not get better by repetitions.
 */
const SILENT_MS = 3000;
const SILENT_MS_MAX = 24_000;
const CONNECT_MS = 5000;
const BACKOFF_MS = 50;
const BACKOFF_MS_MAX = 1000;
/** Events that a device keeps while it is not connected. */
const KEPT_MAX = 2000;
const REFUSED = 0x80;

type Socket = Bun.Socket<undefined>;

export class Device {
  readonly #index: number;
  readonly #ground: DeviceGround;
  readonly #waiting: Made[] = [];
  /** By packet identifier, in the order in which they were first sent. */
  readonly #underWay = new Map<number, UnderWay>();
  #socket: Socket | undefined;
  #isConnected = false;
  #isStopped = false;
  #beganMs = 0;
  #attempts = 0;
  #silentMs = SILENT_MS;
  #receiveMax = 0;
  #lastPid = 0;
  #lastN = 0;
  #lastPort = 0;
  /** What the socket did not take yet. */
  #unsent: Uint8Array[] = [];

  constructor(index: number, ground: DeviceGround) {
    this.#index = index;
    this.#ground = ground;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** Events that no node has acknowledged. */
  get pending(): number {
    return this.#waiting.length + this.#underWay.size;
  }

  connect(): void {
    const { targets } = this.#ground;
    const others = targets.filter(({ port }) => port !== this.#lastPort);
    const from = this.#attempts > 1 && others.length > 0 ? others : targets;
    const target = from[Math.floor(Math.random() * from.length)];
    this.#attempts += 1;
    if (target === undefined) return this.#later();
    this.#lastPort = target.port;
    this.#beganMs = performance.now();
    const reader = new PacketReader();
    const isMine = (socket: Socket): boolean => this.#socket === socket;
    Bun.connect<undefined>({
      hostname: target.host,
      port: target.port,
      socket: {
        open: (socket) => {
          this.#socket = socket;
          socket.setNoDelay(true);
          const clientId = deviceName(this.#index);
          this.#write(
            connectPacket({
              ...{ clientId, password: this.#ground.token(clientId) },
              ...{ keepAliveS: KEEP_ALIVE_S, sessionExpiryS: SESSION_EXPIRY_S },
            }),
          );
        },
        data: (socket, chunk) => {
          if (isMine(socket)) for (const packet of reader.push(chunk)) this.#heard(packet);
        },
        drain: (socket) => {
          if (isMine(socket)) this.#drained();
        },
        close: (socket) => {
          if (isMine(socket)) this.#lost("closed");
        },
        error: () => {},
        connectError: () => this.#later(),
      },
    }).catch(() => this.#later());
  }

  /** The next event, made now. */
  make(madeMs: number, isDirect: boolean): void {
    if (this.pending >= KEPT_MAX) return this.#ground.count("notMade");
    this.#lastN += 1;
    this.#waiting.push({ n: this.#lastN, madeMs, isDirect });
    this.#send();
  }

  /** Looks whether a node keeps silent. */
  look(nowMs: number): void {
    if (this.#socket === undefined) return;
    if (!this.#isConnected) {
      if (nowMs - this.#beganMs > CONNECT_MS) this.#lost("silent");
      return;
    }
    const [oldest] = this.#underWay.values();
    if (oldest === undefined || nowMs - oldest.sentMs <= this.#silentMs) return;
    this.#silentMs = Math.min(SILENT_MS_MAX, this.#silentMs * 2);
    this.#lost("silent");
  }

  ping(): void {
    if (this.#isConnected) this.#write(PINGREQ);
  }

  stop(): void {
    this.#isStopped = true;
    if (this.#isConnected) this.#write(DISCONNECT);
    this.#socket?.end();
    this.#socket = undefined;
  }

  #heard(packet: FromNode): void {
    if (packet.kind === "puback") return this.#acknowledged(packet.pid, packet.reason);
    if (packet.kind === "disconnect") return this.#lost("moved");
    if (packet.kind !== "connack") return;
    if (packet.reason >= REFUSED) {
      this.#ground.count("refusedConnects");
      return this.#lost(undefined);
    }
    this.#isConnected = true;
    this.#attempts = 0;
    this.#receiveMax = packet.receiveMax;
    this.#ground.count("connects");
    if (!packet.sessionPresent && this.#lastN > 0) this.#ground.count("sessionsLost");
    // MQTT-4.4.0-1: what was not acknowledged, in its order, with its identifiers.
    const nowMs = performance.now();
    for (const one of this.#underWay.values()) {
      one.sentMs = nowMs;
      this.#ground.count("again");
      this.#write(markAgain(one.packet));
    }
    this.#send();
  }

  #acknowledged(pid: number, reason: number): void {
    const one = this.#underWay.get(pid);
    if (one === undefined) return;
    this.#underWay.delete(pid);
    this.#silentMs = SILENT_MS;
    if (reason >= REFUSED) this.#ground.count("refusedEvents");
    else {
      const { n, madeMs, isDirect, sentMs } = one;
      const ack = { device: this.#index, n, madeMs, isDirect };
      this.#ground.acknowledged(ack, performance.now() - sentMs);
    }
    this.#send();
  }

  #send(): void {
    while (this.#isConnected && this.#underWay.size < this.#receiveMax) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      const pid = this.#freePid();
      const packet = publishPacket(this.#topic(next), pid, this.#payload(next));
      this.#underWay.set(pid, { ...next, sentMs: performance.now(), packet });
      this.#write(packet);
    }
  }

  #topic({ isDirect }: Made): string {
    const site = siteOf(this.#index, this.#ground.sites);
    return `${isDirect ? "direct" : "telemetry"}/${site}/${deviceName(this.#index)}`;
  }

  #payload({ n, madeMs }: Made): string {
    const mark = markOf(this.#ground.seed, this.#index, n);
    const event = {
      ...{ device: deviceName(this.#index), n, at: saidMs(mark, madeMs) },
      ...{ value: saidValue(mark), mark },
    };
    return JSON.stringify(event satisfies DeviceEvent);
  }

  #freePid(): number {
    do this.#lastPid = (this.#lastPid % 65_535) + 1;
    while (this.#underWay.has(this.#lastPid));
    return this.#lastPid;
  }

  #write(bytes: Uint8Array): void {
    const { length } = this.#unsent;
    const taken = length > 0 ? 0 : (this.#socket?.write(bytes) ?? 0);
    if (taken < bytes.length) this.#unsent.push(bytes.slice(Math.max(0, taken)));
  }

  #drained(): void {
    const parts = this.#unsent;
    this.#unsent = [];
    for (const part of parts) this.#write(part);
  }

  #lost(why: "closed" | "silent" | "moved" | undefined): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isConnected = false;
    this.#unsent = [];
    if (this.#isStopped) return;
    if (why !== undefined) this.#ground.count(why);
    socket?.terminate();
    this.#later();
  }

  #later(): void {
    if (this.#isStopped) return;
    const longestMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** Math.min(this.#attempts, 8));
    setTimeout(() => this.connect(), longestMs * (0.5 + Math.random() / 2));
  }
}
