// Owns: a Yjs server of the simulation: what y-websocket's server and Hocuspocus 4 do.
import type { ManualClock } from "@holdfast/testkit";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import * as awarenessProtocol from "y-protocols/awareness";
import * as syncProtocol from "y-protocols/sync";
import * as Y from "yjs";
import type { Frame } from "../frame.ts";
import type { Backend } from "./world.ts";

interface Kept {
  readonly doc: Y.Doc;
  readonly awareness: awarenessProtocol.Awareness;
  /** With the ids that each brought. */
  readonly connections: Map<Connection, Set<number>>;
}
type Change = Record<"added" | "updated" | "removed", number[]>;

export interface YjsPodOptions {
  readonly dialect: "y-websocket" | "hocuspocus";
  readonly clock: ManualClock;
  /** Pods that hear of everything. */
  readonly bus: readonly YjsPod[];
}

const BUS_MS = 4;
const FROM_BUS = "bus";

export class YjsPod {
  takes = true;
  isGone = false;
  readonly backends = new Set<Backend>();
  readonly options: YjsPodOptions;
  readonly #kept = new Map<string, Kept>();

  constructor(options: YjsPodOptions) {
    this.options = options;
  }

  has(backend: Backend | undefined): boolean {
    return backend !== undefined && this.backends.has(backend);
  }

  connect(): Backend {
    const backend = new Connection(this);
    this.backends.add(backend);
    return backend;
  }

  of(name: string): Kept {
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const doc = new Y.Doc();
    const awareness = new awarenessProtocol.Awareness(doc);
    awareness.setLocalState(null);
    const kept: Kept = { doc, awareness, connections: new Map() };
    this.#kept.set(name, kept);
    doc.on("update", (update: Uint8Array, origin: unknown) => {
      for (const connection of kept.connections.keys()) connection.sendUpdate(name, update);
      if (origin !== FROM_BUS)
        this.#publish((pod) => Y.applyUpdate(pod.of(name).doc, update, FROM_BUS));
    });
    awareness.on("update", ({ added, updated, removed }: Change, origin: unknown) => {
      const ids = kept.connections.get(origin as Connection);
      for (const id of added) ids?.add(id);
      for (const id of removed) ids?.delete(id);
      const changed = [...added, ...updated, ...removed];
      const update = awarenessProtocol.encodeAwarenessUpdate(awareness, changed);
      for (const connection of kept.connections.keys()) connection.sendAwareness(name, update);
      if (origin === FROM_BUS) return;
      this.#publish((pod) =>
        awarenessProtocol.applyAwarenessUpdate(pod.of(name).awareness, update, FROM_BUS),
      );
    });
    // What the bus and a database know.
    for (const pod of this.options.bus) {
      const other = pod === this ? undefined : pod.#kept.get(name);
      if (other === undefined) continue;
      Y.applyUpdate(doc, Y.encodeStateAsUpdate(other.doc), FROM_BUS);
      const ids = [...other.awareness.getStates().keys()];
      const update = awarenessProtocol.encodeAwarenessUpdate(other.awareness, ids);
      awarenessProtocol.applyAwarenessUpdate(awareness, update, FROM_BUS);
    }
    return kept;
  }

  /** The process ends: killed, or it closes its documents and then its sockets. */
  ends(isKilled: boolean): void {
    this.takes = false;
    this.isGone = true;
    if (isKilled) return;
    for (const [name, { connections }] of this.#kept)
      for (const connection of [...connections.keys()]) connection.closeDocument(name);
  }

  destroy(): void {
    for (const { awareness, doc } of this.#kept.values()) {
      awareness.destroy();
      doc.destroy();
    }
  }

  get #isUsed(): boolean {
    return this.takes || [...this.#kept.values()].some(({ connections }) => connections.size > 0);
  }

  #publish(apply: (pod: YjsPod) => void): void {
    for (const pod of this.options.bus)
      if (pod !== this && pod.#isUsed)
        this.options.clock.after(BUS_MS, () => {
          if (!pod.isGone) apply(pod);
        });
  }
}

class Connection implements Backend {
  readonly #pod: YjsPod;
  #send: ((frame: Frame) => void) | undefined;
  /** Documents that are logged in; messages for others wait. */
  readonly #documents = new Map<string, "in" | Uint8Array[]>();

  constructor(pod: YjsPod) {
    this.#pod = pod;
  }

  get isGone(): boolean {
    return this.#pod.isGone;
  }

  opened(send: (frame: Frame) => void): void {
    this.#send = send;
    if (!this.#isHocuspocus) this.#join("");
  }

  received(frame: Frame, send: (frame: Frame) => void): void {
    if (this.#pod.isGone) return;
    this.#send = send;
    const decoder = decoding.createDecoder(frame as Uint8Array);
    const name = this.#isHocuspocus ? decoding.readVarString(decoder) : "";
    const state = this.#documents.get(name);
    const type = decoding.readVarUint(decoder);
    if (state === "in") return this.#message(name, type, decoder);
    if (type !== 2) {
      this.#documents.set(name, [...(state ?? []), frame as Uint8Array]);
      return;
    }
    // Whoever logs in waits for a database.
    this.#documents.set(name, state ?? []);
    this.#pod.options.clock.after(2, () => {
      if (this.#send === undefined || this.#pod.isGone) return;
      this.#write(name, (encoder) => {
        for (const kind of [2, 2]) encoding.writeVarUint(encoder, kind);
        encoding.writeVarString(encoder, "read-write");
      });
      const waiting = this.#documents.get(name);
      this.#join(name);
      if (Array.isArray(waiting)) for (const one of waiting) this.received(one, send);
    });
  }

  closed(): void {
    this.#send = undefined;
    for (const name of [...this.#documents.keys()]) this.#leave(name);
  }

  closeDocument(name: string): void {
    if (!this.#isHocuspocus) return;
    this.#leave(name);
    this.#write(name, (encoder) => {
      encoding.writeVarUint(encoder, 7);
      encoding.writeVarString(encoder, "Reset Connection");
    });
  }

  sendUpdate(name: string, update: Uint8Array): void {
    this.#write(name, (encoder) => {
      encoding.writeVarUint(encoder, 0);
      syncProtocol.writeUpdate(encoder, update);
    });
  }

  sendAwareness(name: string, update: Uint8Array): void {
    this.#write(name, (encoder) => {
      encoding.writeVarUint(encoder, 1);
      encoding.writeVarUint8Array(encoder, update);
    });
  }

  get #isHocuspocus(): boolean {
    return this.#pod.options.dialect === "hocuspocus";
  }

  #join(name: string): void {
    this.#documents.set(name, "in");
    const { doc, awareness, connections } = this.#pod.of(name);
    connections.set(this, new Set());
    if (!this.#isHocuspocus) this.#step1(name, doc);
    const ids = [...awareness.getStates().keys()];
    if (ids.length > 0)
      this.sendAwareness(name, awarenessProtocol.encodeAwarenessUpdate(awareness, ids));
  }

  #leave(name: string): void {
    const { awareness, connections } = this.#pod.of(name);
    const ids = connections.get(this);
    this.#documents.delete(name);
    if (ids === undefined) return;
    connections.delete(this);
    if (!this.#pod.isGone) awarenessProtocol.removeAwarenessStates(awareness, [...ids], null);
  }

  #message(name: string, type: number, decoder: decoding.Decoder): void {
    const { doc, awareness } = this.#pod.of(name);
    if (type === 1) {
      const update = decoding.readVarUint8Array(decoder);
      awarenessProtocol.applyAwarenessUpdate(awareness, update, this);
    }
    if (type === 7) this.#leave(name);
    if (type !== 0) return;
    const kind = decoding.peekVarUint(decoder);
    const encoder = encoding.createEncoder();
    syncProtocol.readSyncMessage(decoder, encoder, doc, this);
    if (this.#isHocuspocus && kind === 0) this.#step1(name, doc);
    const answer = encoding.toUint8Array(encoder);
    if (answer.length > 0)
      this.#write(name, (to) => {
        encoding.writeVarUint(to, 0);
        encoding.writeUint8Array(to, answer);
      });
    if (this.#isHocuspocus && kind !== 0)
      this.#write(name, (to) => {
        for (const part of [8, 1]) encoding.writeVarUint(to, part);
      });
  }

  #step1(name: string, doc: Y.Doc): void {
    this.#write(name, (encoder) => {
      encoding.writeVarUint(encoder, 0);
      syncProtocol.writeSyncStep1(encoder, doc);
    });
  }

  #write(name: string, write: (encoder: encoding.Encoder) => void): void {
    if (this.#send === undefined) return;
    const encoder = encoding.createEncoder();
    if (this.#isHocuspocus) encoding.writeVarString(encoder, name);
    write(encoder);
    this.#send(encoding.toUint8Array(encoder));
  }
}
