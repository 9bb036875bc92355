// Owns: the same changes on their way to many watchers, some of them at a time.
import type { PresenceFrame } from "@holdfast/protocol";
import { EncodedFrame } from "./encoded-frame.ts";
import type { Watcher } from "./presence-frames.ts";

export class Telling {
  readonly #frames: readonly EncodedFrame<PresenceFrame>[];
  readonly #watchers: readonly Watcher[];
  readonly #lagBytes: number;
  #next = 0;

  constructor(frames: readonly PresenceFrame[], watchers: readonly Watcher[], lagBytes: number) {
    this.#frames = frames.map((frame) => new EncodedFrame(frame));
    this.#watchers = frames.length === 0 ? [] : watchers;
    this.#lagBytes = lagBytes;
  }

  /**
   * Tells the next `count` watchers; true when none is left. Each gets all of the changes, or is
   * skipped. Those that are not `wanted` any more get none.
   */
  part(
    count: number,
    skip: (watcher: Watcher) => void,
    wanted: (watcher: Watcher) => boolean = () => true,
  ): boolean {
    const end = Math.min(this.#next + count, this.#watchers.length);
    for (; this.#next < end; this.#next++) {
      const watcher = this.#watchers[this.#next] as Watcher;
      if (wanted(watcher) && !this.#tell(watcher)) skip(watcher);
    }
    return this.#next >= this.#watchers.length;
  }

  #tell(watcher: Watcher): boolean {
    for (const frame of this.#frames) {
      if (watcher.lagging || watcher.outLength >= this.#lagBytes) return false;
      watcher.enqueue(frame.for(watcher));
    }
    return true;
  }
}
