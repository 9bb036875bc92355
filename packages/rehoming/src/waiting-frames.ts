// Owns: frames that wait, with their bytes accounted for.
import { bytesOf, type Frame } from "./frame.ts";
import type { Room } from "./ports.ts";

/** Shared by all who have none. */
const NONE: Frame[] = [];

/** In the order of arrival. What is in it is taken from `room`, and given back. */
export class WaitingFrames {
  readonly #room: Room;
  readonly #bytesMax: number;
  #frames = NONE;
  #head = 0;
  #bytes = 0;

  constructor(room: Room, bytesMax: number) {
    this.#room = room;
    this.#bytesMax = bytesMax;
  }

  get count(): number {
    return this.#frames.length - this.#head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** False: there is no room, and the frame was not taken. */
  add(frame: Frame): boolean {
    const bytes = bytesOf(frame);
    if (this.#bytes + bytes > this.#bytesMax || !this.#room.take(bytes)) return false;
    this.#bytes += bytes;
    if (this.#frames === NONE) this.#frames = [];
    this.#frames.push(frame);
    return true;
  }

  take(): Frame | undefined {
    const frame = this.#frames[this.#head];
    if (frame === undefined) return undefined;
    this.#head += 1;
    const bytes = bytesOf(frame);
    this.#bytes -= bytes;
    this.#room.give(bytes);
    if (this.#head === this.#frames.length) {
      this.#frames = NONE;
      this.#head = 0;
    }
    return frame;
  }

  /** Takes one after the other, also those that come meanwhile. */
  *all(): Generator<Frame> {
    for (let frame = this.take(); frame !== undefined; frame = this.take()) yield frame;
  }

  /** How many there were. */
  clear(): number {
    const { count } = this;
    if (this.#bytes > 0) this.#room.give(this.#bytes);
    this.#frames = NONE;
    this.#head = 0;
    this.#bytes = 0;
    return count;
  }
}
