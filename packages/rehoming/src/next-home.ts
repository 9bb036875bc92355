// Owns: an upstream on the way to be the current one.
import type { Frame } from "./frame.ts";
import type { HomeId, Room } from "./ports.ts";
import { WaitingFrames } from "./waiting-frames.ts";

export class NextHome {
  readonly id: HomeId;
  /** `open`: its profile attaches alone, and the former upstream is still there. */
  state: "opening" | "open" | "attaching" | "attached" = "opening";
  /** What it sent while nobody could take it. */
  readonly waiting: WaitingFrames;

  constructor(id: HomeId, room: Room, waitingBytesMax: number) {
    this.id = id;
    this.waiting = new WaitingFrames(room, waitingBytesMax);
  }

  /** What waits, one after the other, until it is attached or given up. */
  handOut(take: (frame: Frame) => void): void {
    while (this.state === "attaching") {
      const frame = this.waiting.take();
      if (frame === undefined) return;
      take(frame);
    }
  }
}
