// Owns: Socket.IO servers of the simulation, and what they share.
import type { ManualClock, SeededRandom } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import type { Cancel } from "../profile.ts";
import { frameOf, type Packet } from "../profiles/socketio-packet.ts";
import { Reader } from "./socketio-peer.ts";
import type { Backend } from "./world.ts";

const [PING_INTERVAL_MS, PING_TIMEOUT_MS] = [1000, 800];
/** From a socket's end until its session can be found by others. */
const PERSIST_MS = 10;

/** Sessions, and what they would have heard. */
export class SocketIoStore {
  readonly recovers: boolean;
  readonly #sessions = new Map<string, string>();
  readonly #log: { readonly namespace: string; readonly label: string; readonly offset: string }[] =
    [];
  #count = 0;

  constructor(recovers: boolean) {
    this.recovers = recovers;
  }

  next(): number {
    return this.#count++;
  }

  labels(namespace: string): readonly string[] {
    return this.#log.filter((one) => one.namespace === namespace).map(({ label }) => label);
  }

  /** An event to everybody. */
  broadcast(namespace: string, pods: readonly SocketIoPod[]): void {
    const entry = { namespace, label: `s${this.next()}`, offset: `o${this.next()}` };
    this.#log.push(entry);
    for (const pod of pods) pod.hears(entry);
  }

  persist(session: string, namespace: string): void {
    this.#sessions.set(session, namespace);
  }

  /** Undefined: it is not known, or too old. */
  restore(session: unknown, offset: unknown, namespace: string) {
    if (!this.recovers || this.#sessions.get(String(session)) !== namespace) return undefined;
    const at = this.#log.findIndex((entry) => entry.offset === offset);
    return at < 0
      ? undefined
      : this.#log.slice(at + 1).filter((one) => one.namespace === namespace);
  }
}

export interface SocketIoPodOptions {
  readonly clock: ManualClock;
  readonly store: SocketIoStore;
  readonly draw: SeededRandom;
  readonly wrong: (text: string) => void;
}
interface Entry {
  readonly namespace: string;
  readonly label: string;
  readonly offset: string;
}

export class SocketIoPod {
  takes = true;
  isGone = false;
  readonly received: string[] = [];
  readonly backends = new Set<Backend>();
  readonly options: SocketIoPodOptions;
  /** Numbers of questions, by namespace. */
  readonly ids = new Map<string, number>();

  constructor(options: SocketIoPodOptions) {
    this.options = options;
  }

  connect(): Backend {
    const backend = new Connection(this);
    this.backends.add(backend);
    return backend;
  }

  hears(entry: Entry): void {
    for (const backend of this.backends) (backend as Connection).hears(entry);
  }

  asks(): void {
    for (const backend of this.backends) (backend as Connection).asks();
  }

  ends(isKilled: boolean): void {
    for (const backend of this.backends) (backend as Connection).ends(!isKilled);
    this.takes = false;
    this.isGone = true;
  }

  destroy(): void {
    for (const backend of this.backends) (backend as Connection).ends(false);
  }
}

class Connection implements Backend {
  readonly #pod: SocketIoPod;
  readonly #reader: Reader;
  #send: ((frame: Frame) => void) | undefined;
  /** Session of each namespace. */
  readonly #namespaces = new Map<string, string>();
  /** What was asked, by namespace and number. */
  readonly #asked = new Map<string, string>();
  #cancelPing: Cancel = () => {};

  constructor(pod: SocketIoPod) {
    this.#pod = pod;
    this.#reader = new Reader(pod.options.wrong);
  }

  get isGone(): boolean {
    return this.#pod.isGone;
  }

  opened(send: (frame: Frame) => void): void {
    this.#send = send;
    const times = { pingInterval: PING_INTERVAL_MS, pingTimeout: PING_TIMEOUT_MS };
    send(
      `0${JSON.stringify({ sid: `e${this.#pod.options.store.next()}`, upgrades: [], ...times })}`,
    );
    this.#pingLater();
  }

  received(frame: Frame): void {
    const { wrong } = this.#pod.options;
    if (this.#send === undefined) return;
    if (frame === "3") return this.#pingLater();
    const packet = this.#reader.read(frame);
    if (packet === undefined) return;
    if (packet.type === 0) return this.#connects(packet);
    if (!this.#namespaces.has(packet.namespace))
      return wrong(`type ${packet.type} for ${packet.namespace}, which is not connected`);
    if (packet.type === 2 || packet.type === 5) this.#event(packet);
    else if (packet.type === 3 || packet.type === 6) {
      const key = `${packet.namespace} ${packet.id}`;
      const label = JSON.parse(packet.data)[1];
      if (this.#asked.get(key) !== label)
        wrong(`${key} asked ${this.#asked.get(key)}, got ${label}`);
      this.#asked.delete(key);
    }
  }

  closed(): void {
    this.ends(true);
  }

  ends(isHeard: boolean): void {
    this.#send = undefined;
    this.#cancelPing();
    const { clock, store, draw } = this.#pod.options;
    const sessions = [...this.#namespaces];
    this.#namespaces.clear();
    if (!isHeard || !store.recovers) return;
    clock.after(draw.int(PERSIST_MS), () => {
      for (const [namespace, session] of sessions) store.persist(session, namespace);
    });
  }

  hears({ namespace, label, offset }: Entry): void {
    if (!this.#namespaces.has(namespace)) return;
    const data = this.#pod.options.store.recovers ? ["news", label, offset] : ["news", label];
    this.#write({ namespace, data }, this.#pod.options.draw.pick([0, 0, 1]));
  }

  asks(): void {
    for (const namespace of this.#namespaces.keys()) {
      const id = this.#pod.ids.get(namespace) ?? 0;
      this.#pod.ids.set(namespace, id + 1);
      const label = `q${this.#pod.options.store.next()}`;
      this.#asked.set(`${namespace} ${id}`, label);
      this.#write({ namespace, id, data: ["question", label] }, 0);
    }
  }

  #pingLater(): void {
    const { clock, wrong } = this.#pod.options;
    this.#cancelPing();
    this.#cancelPing = clock.after(PING_INTERVAL_MS, () => {
      this.#send?.("2");
      this.#cancelPing = clock.after(PING_TIMEOUT_MS, () => wrong("a server's ping got no answer"));
    });
  }

  #connects({ namespace, data }: Packet): void {
    const { store, wrong } = this.#pod.options;
    if (this.#namespaces.has(namespace)) return wrong(`${namespace} is connected already`);
    const { pid, offset, token } = JSON.parse(data);
    if (token !== "t") wrong("no login");
    const missed = store.restore(pid, offset, namespace);
    const session = missed === undefined ? `p${store.next()}` : String(pid);
    for (const { label, offset: at } of missed ?? [])
      this.#write({ namespace, data: ["news", label, at] }, 0);
    this.#namespaces.set(namespace, session);
    const answer = { sid: `s${session}`, ...(store.recovers ? { pid: session } : {}) };
    const packet = { type: 0, attachments: 0, namespace, id: undefined };
    this.#send?.(frameOf({ ...packet, data: JSON.stringify(answer) }));
  }

  #event({ namespace, id, data }: Packet): void {
    const [, label] = JSON.parse(data);
    this.#pod.received.push(label);
    if (id === undefined) return;
    const { clock, draw } = this.#pod.options;
    const attachments = draw.pick([0, 0, 1]);
    clock.after(draw.pick([0, 2, 30, 300]), () => {
      if (this.#send === undefined) return;
      const type = attachments > 0 ? 6 : 3;
      this.#send(frameOf({ type, attachments, namespace, id, data: JSON.stringify([label]) }));
      for (let i = 0; i < attachments; i++) this.#send(new Uint8Array([i]));
    });
  }

  #write(
    {
      namespace,
      id,
      data,
    }: { readonly namespace: string; readonly id?: number; readonly data: readonly string[] },
    attachments: number,
  ): void {
    const type = attachments > 0 ? 5 : 2;
    this.#send?.(frameOf({ type, attachments, namespace, id, data: JSON.stringify(data) }));
    for (let i = 0; i < attachments; i++) this.#send?.(new Uint8Array([i]));
  }
}
