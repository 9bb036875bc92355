// Owns: a small number for each shared codec in use, so that what was encoded is found by index.
import type { DoorCodec } from "../door.ts";

/** Connections whose codec is theirs alone have this number: nothing is kept of what they get. */
export const OWN = 0;
/** A publication in a ring keeps a frame for each: more would be a door that makes them at will. */
const SHARED_MAX = 32;

export class CodecNumbers {
  readonly #numbers = new Map<DoorCodec, number>();

  /** Beyond 32 shared codecs further ones are as if they were not shared. */
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
