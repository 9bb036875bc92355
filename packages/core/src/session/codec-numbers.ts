// Owns: a small number for each shared codec in use, so that what was encoded is found by index.
import type { DoorCodec } from "../door.ts";

/** The number of codecs that belong to one connection: their frames are not kept. */
export const OWN = 0;
/**
 * A publication in a ring keeps a frame for each shared codec. A door that needs more makes codecs
 * without bound.
 */
const SHARED_MAX = 32;

export class CodecNumbers {
  readonly #numbers = new Map<DoorCodec, number>();

  /** After 32 shared codecs, further ones are treated as not shared. */
  of(codec: DoorCodec): number {
    if (!codec.shared) return OWN;
    const known = this.#numbers.get(codec);
    if (known !== undefined) return known;
    if (this.#numbers.size >= SHARED_MAX) return OWN;
    const number = this.#numbers.size + 1;
    this.#numbers.set(codec, number);
    return number;
  }
}
