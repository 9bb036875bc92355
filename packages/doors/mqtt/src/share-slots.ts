// Owns: one slot of a shared subscription: a part of a channel's publications that one node hands
// out, and how far it got.
import type { Position } from "@holdfast/protocol";
import { textOf } from "@holdfast/protocol/node";
import { utf8 } from "./bytes.ts";

/**
 * Publications are dealt into so many slots by their offsets. Nodes with members share the slots;
 * order is kept within a slot.
 */
export const SLOTS = 8;
export const slotOf = (offset: number): number => offset % SLOTS;

/** What a node knows of a slot that it holds. */
export class Slot {
  readonly owner: string;
  readonly fence: number;
  epoch: string;
  /** The last offset that was handed out. */
  top: number;
  /** Handed out, and not acknowledged. */
  readonly open = new Set<number>();
  /** Another node is to have it: nothing more is handed out. */
  leavingMs: number | undefined;
  isDirty = true;

  constructor(hold: { readonly owner: string; readonly fence: number }, at: Position) {
    this.owner = hold.owner;
    this.fence = hold.fence;
    this.epoch = at.epoch;
    this.top = at.offset;
  }

  /** Everything up to here was acknowledged. */
  get done(): number {
    let done = this.top;
    for (const offset of this.open) done = Math.min(done, offset - 1);
    return done;
  }

  restart({ epoch, offset }: Position): void {
    this.epoch = epoch;
    this.top = offset;
    this.open.clear();
    this.isDirty = true;
  }

  write(): Uint8Array {
    return utf8(JSON.stringify([this.epoch, this.done]));
  }
}

/** Undefined: there is none yet, or a node of another version wrote it. */
export function readSlot(bytes: Uint8Array | undefined): Position | undefined {
  if (bytes === undefined) return undefined;
  try {
    const [epoch, offset] = JSON.parse(textOf(bytes, 0, bytes.length)) as [unknown, unknown];
    return typeof epoch === "string" && typeof offset === "number" ? { epoch, offset } : undefined;
  } catch {
    return undefined;
  }
}
