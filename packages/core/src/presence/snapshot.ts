// Owns: one channel's members as of one telling, encoded once for all who get them.
import type { MembersFrame } from "@holdfast/protocol";
import type { PresenceMember } from "../ports.ts";
import { EncodedFrame } from "./encoded-frame.ts";
import { bytesOf, memberFrames, type Watcher } from "./presence-frames.ts";

export class Snapshot {
  /** Of the telling that it is as of. */
  readonly number: number;
  readonly list: readonly PresenceMember[];
  /** What it takes, roughly; at least 1. */
  readonly bytes: number;
  readonly #chunkBytes: number;
  readonly #channel: string;
  #frames: readonly EncodedFrame<MembersFrame>[] | undefined;

  constructor(channel: string, { number, members, chunkBytes }: SnapshotOptions) {
    this.#channel = channel;
    this.number = number;
    this.list = [...members.values()];
    this.bytes = this.list.reduce((sum, member) => sum + bytesOf(member), 1);
    this.#chunkBytes = chunkBytes;
  }

  /**
   * Each part when there is room for it. False if nobody wants the rest any more.
   */
  async send(watcher: Watcher, isWanted: () => boolean): Promise<boolean> {
    this.#frames ??= memberFrames(this.#channel, this.list, this.#chunkBytes).map(
      (frame) => new EncodedFrame(frame),
    );
    for (const frame of this.#frames) {
      const room = watcher.keepRoom(this.#chunkBytes);
      const release = typeof room === "function" ? room : await room;
      const isStill = isWanted();
      if (isStill) watcher.answer(frame.for(watcher));
      release();
      if (!isStill) return false;
    }
    return true;
  }
}

interface SnapshotOptions {
  readonly number: number;
  readonly members: ReadonlyMap<string, PresenceMember>;
  /** Most bytes of one part, roughly. */
  readonly chunkBytes: number;
}
