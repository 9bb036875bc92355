// Owns: a Socket.IO client of the simulation: what socket.io-client 4 does.
import type { ManualClock, SeededRandom } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import type { Cancel } from "../profile.ts";
import { frameOf, type Packet, packetOf } from "../profiles/socketio-packet.ts";

export interface Emitted {
  readonly label: string;
  readonly wantsAnswer: boolean;
  state: "sent" | "waits" | "answered" | "errored";
}
interface Joined {
  isConnected: boolean;
  session: string | undefined;
  offset: string | undefined;
  readonly heard: string[];
  readonly buffer: (() => void)[];
}

export interface SocketIoPeerOptions {
  readonly clock: ManualClock;
  readonly namespaces: readonly string[];
  readonly draw: SeededRandom;
  readonly wrong: (text: string) => void;
}

/** Puts packets of several frames together, as socket.io-parser does. */
export class Reader {
  #head: Packet | undefined;
  #left = 0;
  readonly #wrong: (text: string) => void;

  constructor(wrong: (text: string) => void) {
    this.#wrong = wrong;
  }

  /** Undefined: it is not complete, or none. */
  read(frame: Frame): Packet | undefined {
    if (typeof frame === "string") {
      if (this.#left > 0) this.#wrong("text between attachments");
      const packet = packetOf(frame);
      if (packet === undefined) this.#wrong(`no packet: ${frame}`);
      this.#left = packet?.attachments ?? 0;
      this.#head = packet;
      return this.#left === 0 ? packet : undefined;
    }
    if (this.#left === 0) {
      this.#wrong("an attachment of nothing");
      return undefined;
    }
    this.#left -= 1;
    return this.#left === 0 ? this.#head : undefined;
  }
}

export class SocketIoPeer {
  readonly emitted: Emitted[] = [];
  connects = 0;
  readonly #options: SocketIoPeerOptions;
  readonly #joined = new Map<string, Joined>();
  readonly #answers = new Map<string, Emitted>();
  #ids = 0;
  #reader: Reader;
  #send: ((frame: Frame) => void) | undefined;
  #cancelPing: Cancel = () => {};
  #patienceMs = 0;

  constructor(options: SocketIoPeerOptions) {
    this.#options = options;
    this.#reader = new Reader(options.wrong);
    for (const name of options.namespaces)
      this.#joined.set(name, {
        ...{ isConnected: false, session: undefined, offset: undefined, heard: [], buffer: [] },
      });
  }

  heardIn(namespace: string): readonly string[] {
    return this.#joined.get(namespace)?.heard ?? [];
  }

  opened(send: (frame: Frame) => void): void {
    this.#send = send;
    this.#reader = new Reader(this.#options.wrong);
  }

  closed(): void {
    this.#send = undefined;
    this.#cancelPing();
    for (const joined of this.#joined.values()) joined.isConnected = false;
    for (const one of this.#answers.values()) one.state = "errored";
    this.#answers.clear();
    // What was sent and not acknowledged by anybody is the application's risk.
  }

  emits({ idempotent }: { readonly idempotent: boolean }): void {
    const { draw, namespaces } = this.#options;
    const namespace = draw.pick(namespaces);
    const joined = this.#of(namespace);
    const wantsAnswer = draw.chance(0.5);
    const label = `c${this.emitted.length}${idempotent ? "i" : ""}`;
    const one: Emitted = { label, wantsAnswer, state: wantsAnswer ? "waits" : "sent" };
    this.emitted.push(one);
    const attachments = draw.pick([0, 0, 1, 2]);
    const emit = (): void => {
      const id = wantsAnswer ? this.#ids++ : undefined;
      if (id !== undefined) this.#answers.set(`${namespace} ${id}`, one);
      const type = attachments > 0 ? 5 : 2;
      const data = JSON.stringify(["event", label]);
      this.#write(frameOf({ type, attachments, namespace, id, data }));
      for (let i = 0; i < attachments; i++) this.#write(new Uint8Array([i]));
    };
    if (joined.isConnected) emit();
    else joined.buffer.push(emit);
  }

  heard(frame: Frame): void {
    if (frame === "2") {
      this.#expectPing();
      return this.#write("3");
    }
    if (typeof frame === "string" && frame.startsWith("0")) return this.#opened(frame);
    const packet = this.#reader.read(frame);
    if (packet === undefined) return;
    const joined = this.#of(packet.namespace);
    if (packet.type === 0) return this.#connected(joined, packet);
    if (packet.type === 3 || packet.type === 6) {
      const key = `${packet.namespace} ${packet.id}`;
      const one = this.#answers.get(key);
      if (one === undefined) return this.#options.wrong(`an answer to nothing: ${key}`);
      if (JSON.parse(packet.data)[0] !== one.label)
        this.#options.wrong(`${one.label} got the answer ${packet.data}`);
      one.state = "answered";
      this.#answers.delete(key);
    } else if (packet.type === 2 || packet.type === 5) this.#event(joined, packet);
    else this.#options.wrong(`a packet of type ${packet.type}`);
  }

  destroy(): void {
    this.#send = undefined;
    this.#cancelPing();
  }

  #of(namespace: string): Joined {
    const joined = this.#joined.get(namespace);
    if (joined === undefined) throw new Error(`no namespace ${namespace}`);
    return joined;
  }

  #opened(frame: string): void {
    const { pingInterval, pingTimeout, upgrades } = JSON.parse(frame.slice(1));
    if (upgrades.length > 0) this.#options.wrong("upgrades were offered");
    this.#patienceMs = pingInterval + pingTimeout;
    this.#expectPing();
    for (const [namespace, { session, offset }] of this.#joined) {
      const auth = session === undefined ? { token: "t" } : { pid: session, offset, token: "t" };
      const packet = { type: 0, attachments: 0, namespace, id: undefined };
      this.#write(frameOf({ ...packet, data: JSON.stringify(auth) }));
    }
  }

  #expectPing(): void {
    this.#cancelPing();
    this.#cancelPing = this.#options.clock.after(this.#patienceMs, () =>
      this.#options.wrong("no ping came in time"),
    );
  }

  #connected(joined: Joined, { data }: Packet): void {
    const { pid } = JSON.parse(data);
    this.connects += 1;
    joined.session = pid;
    joined.isConnected = true;
    for (const emit of joined.buffer.splice(0)) emit();
  }

  #event(joined: Joined, packet: Packet): void {
    const [name, label, offset] = JSON.parse(packet.data);
    const { clock, draw } = this.#options;
    if (packet.id === undefined) {
      joined.heard.push(label);
      if (joined.session !== undefined && typeof offset === "string") joined.offset = offset;
      return;
    }
    const { namespace, id } = packet;
    const attachments = draw.pick([0, 0, 1]);
    const type = attachments > 0 ? 6 : 3;
    const reader = this.#reader;
    clock.after(draw.pick([0, 5, 300]), () => {
      if (!joined.isConnected || this.#reader !== reader) return;
      this.#write(
        frameOf({ type, attachments, namespace, id, data: JSON.stringify([name, label]) }),
      );
      for (let i = 0; i < attachments; i++) this.#write(new Uint8Array([i]));
    });
  }

  #write(frame: Frame): void {
    this.#send?.(frame);
  }
}
