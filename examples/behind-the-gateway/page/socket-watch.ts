// Owns: what one socket of this window lives through: its frames, the longest gap between two, its
// closes.

/** A frame that arrived. */
export interface Tick {
  readonly atMs: number;
  /** Who sent it, as the server calls itself. */
  readonly server: string;
}

/** A minute of a lively socket. */
const TICKS_MAX = 3000;

export class SocketWatch {
  readonly name: string;
  readonly ticks: Tick[] = [];
  /** Close codes, and when. Attempts that never opened do not count. */
  readonly closes: { readonly atMs: number; readonly code: number }[] = [];
  closeCount = 0;
  isOpen = false;
  /** As it calls itself. */
  server = "";

  constructor(name: string) {
    this.name = name;
  }

  opened(): void {
    this.isOpen = true;
  }

  frame(atMs: number): void {
    this.ticks.push({ atMs, server: this.server });
    if (this.ticks.length > TICKS_MAX) this.ticks.splice(0, TICKS_MAX / 2);
  }

  closed(atMs: number, code: number): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.closeCount += 1;
    this.closes.push({ atMs, code });
    if (this.closes.length > TICKS_MAX) this.closes.shift();
  }

  /** The longest time without a frame that ended after `fromMs`. The last one lasts to `toMs`. */
  longestGapMs(fromMs: number, toMs: number): number {
    let longest = 0;
    let before: number | undefined;
    for (const { atMs } of this.ticks) {
      if (atMs > toMs) break;
      if (before !== undefined && atMs >= fromMs) longest = Math.max(longest, atMs - before);
      before = atMs;
    }
    return before === undefined ? 0 : Math.max(longest, toMs - before);
  }

  closesSince(fromMs: number): number {
    return this.closes.filter(({ atMs }) => atMs >= fromMs).length;
  }
}

/** A WebSocket that is watched, for whoever makes one: an editor's provider, or a game. */
export function watched(watch: SocketWatch): typeof WebSocket {
  return class extends WebSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("open", () => watch.opened());
      this.addEventListener("message", () => watch.frame(performance.now()));
      this.addEventListener("close", ({ code }) => watch.closed(performance.now(), code));
    }
  };
}
