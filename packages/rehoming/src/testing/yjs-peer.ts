// Owns: a Yjs client of the simulation: what the providers of y-websocket 3 and Hocuspocus 4 do.
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import * as awarenessProtocol from "y-protocols/awareness";
import * as syncProtocol from "y-protocols/sync";
import * as Y from "yjs";

interface Open {
  readonly doc: Y.Doc;
  readonly awareness: awarenessProtocol.Awareness;
  unsynced: number;
  isAuthenticated: boolean;
}

export interface YjsPeerOptions {
  readonly dialect: "y-websocket" | "hocuspocus";
  readonly documents: readonly string[];
  readonly name: string;
  readonly id: number;
}

export class YjsPeer {
  /** Others that were live and were said to be gone. */
  readonly flickers: string[] = [];
  readonly #options: YjsPeerOptions;
  readonly #open = new Map<string, Open>();
  #send: ((frame: Uint8Array) => void) | undefined;

  constructor(options: YjsPeerOptions) {
    this.#options = options;
    for (const [i, name] of options.documents.entries()) {
      const doc = new Y.Doc();
      doc.clientID = options.id + 100 * i;
      const awareness = new awarenessProtocol.Awareness(doc);
      awareness.setLocalState({ name: options.name });
      this.#open.set(name, { doc, awareness, unsynced: 0, isAuthenticated: !this.#isHocuspocus });
      doc.on("update", (update: Uint8Array, origin: unknown) => {
        if (origin === this) return;
        this.of(name).unsynced += this.#isHocuspocus ? 1 : 0;
        this.#sync(name, (encoder) => syncProtocol.writeUpdate(encoder, update));
      });
      awareness.on("change", ({ removed }: { removed: number[] }, origin: unknown) => {
        if (origin !== this) return;
        for (const id of removed) if (id !== doc.clientID) this.flickers.push(`${id} flickered`);
      });
      awareness.on(
        "update",
        (change: Record<"added" | "updated" | "removed", number[]>, origin: unknown) => {
          // y-websocket repeats what it hears; Hocuspocus does not.
          if (origin === this && this.#isHocuspocus) return;
          this.#presence(name, [...change.added, ...change.updated, ...change.removed]);
        },
      );
    }
  }

  get documents(): readonly string[] {
    return this.#options.documents;
  }

  get unsynced(): number {
    return [...this.#open.values()].reduce((sum, { unsynced }) => sum + unsynced, 0);
  }

  get isAuthenticated(): boolean {
    return [...this.#open.values()].every(({ isAuthenticated }) => isAuthenticated);
  }

  of(name: string): Open {
    const open = this.#open.get(name);
    if (open === undefined) throw new Error(`no document ${name}`);
    return open;
  }

  opened(send: (frame: Uint8Array) => void): void {
    this.#send = send;
    for (const [name, open] of this.#open) {
      if (this.#isHocuspocus) {
        open.isAuthenticated = false;
        open.unsynced = 1;
        this.#write(name, (encoder) => {
          for (const kind of [2, 0]) encoding.writeVarUint(encoder, kind);
          encoding.writeVarString(encoder, "token");
        });
      }
      this.#sync(name, (encoder) => syncProtocol.writeSyncStep1(encoder, open.doc));
      this.#presence(name, [open.doc.clientID]);
    }
  }

  closed(): void {
    this.#send = undefined;
    for (const { awareness, doc } of this.#open.values()) {
      const others = [...awareness.getStates().keys()].filter((id) => id !== doc.clientID);
      awarenessProtocol.removeAwarenessStates(awareness, others, "closed");
    }
  }

  heard(frame: Uint8Array): void {
    const decoder = decoding.createDecoder(frame);
    const name = this.#isHocuspocus ? decoding.readVarString(decoder) : "";
    const open = this.of(name);
    const type = decoding.readVarUint(decoder);
    if (type === 0) {
      const encoder = encoding.createEncoder();
      syncProtocol.readSyncMessage(decoder, encoder, open.doc, this);
      const answer = encoding.toUint8Array(encoder);
      if (answer.length > 0) this.#sync(name, (to) => encoding.writeUint8Array(to, answer));
    } else if (type === 1) {
      const update = decoding.readVarUint8Array(decoder);
      awarenessProtocol.applyAwarenessUpdate(open.awareness, update, this);
    } else if (type === 2) {
      const kind = decoding.readVarUint(decoder);
      open.isAuthenticated = kind === 2;
    } else if (type === 8 && decoding.readVarUint(decoder) === 1) {
      open.unsynced = Math.max(0, open.unsynced - 1);
    } else if (type === 7) open.isAuthenticated = false;
  }

  destroy(): void {
    this.#send = undefined;
    for (const { awareness, doc } of this.#open.values()) {
      awareness.destroy();
      doc.destroy();
    }
  }

  get #isHocuspocus(): boolean {
    return this.#options.dialect === "hocuspocus";
  }

  #sync(name: string, write: (encoder: encoding.Encoder) => void): void {
    this.#write(name, (encoder) => {
      encoding.writeVarUint(encoder, 0);
      write(encoder);
    });
  }

  #presence(name: string, ids: readonly number[]): void {
    this.#write(name, (encoder) => {
      encoding.writeVarUint(encoder, 1);
      const update = awarenessProtocol.encodeAwarenessUpdate(this.of(name).awareness, [...ids]);
      encoding.writeVarUint8Array(encoder, update);
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
