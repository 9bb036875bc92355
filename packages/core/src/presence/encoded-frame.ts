// Owns: a frame for many connections, encoded once for each codec that they share.
import type { Encoded, ServerFrame } from "@holdfast/protocol";
import { OWN } from "../session/codec-numbers.ts";
import type { Watcher } from "./presence-frames.ts";

export class EncodedFrame<F extends ServerFrame> {
  readonly #frame: F;
  readonly #encoded = new Map<number, Encoded>();

  constructor(frame: F) {
    this.#frame = frame;
  }

  for({ codec, codecNumber }: Pick<Watcher, "codec" | "codecNumber">): Encoded {
    if (codecNumber === OWN) return codec.encode(this.#frame);
    const encoded = this.#encoded.get(codecNumber) ?? codec.encode(this.#frame);
    this.#encoded.set(codecNumber, encoded);
    return encoded;
  }
}
