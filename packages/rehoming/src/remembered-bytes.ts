// Owns: the room that what a profile remembers takes.
import type { Room } from "./ports.ts";

export class RememberedBytes {
  readonly #room: Room;
  readonly #bytesMax: number;
  #taken = 0;

  constructor(room: Room, bytesMax: number) {
    this.#room = room;
    this.#bytesMax = bytesMax;
  }

  /** Takes or gives the difference. False: there is no room, and nothing changes. */
  become(bytes: number): boolean {
    const more = bytes - this.#taken;
    if (more < 0) this.#room.give(-more);
    else if (more > 0 && (bytes > this.#bytesMax || !this.#room.take(more))) return false;
    this.#taken = bytes;
    return true;
  }
}
