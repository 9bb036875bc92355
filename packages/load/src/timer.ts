// Owns: calling the connections when an action is due, and measuring how late that was. Timers have
// a grain of 1 ms; nothing spins.

export interface Timed {
  nextUs(): number | undefined;
  work(armedUs: number): void;
}

/** Longest sleep, so that actions added meanwhile are seen. */
const NAP_US_MAX = 5_000;
const NAP_US_MIN = 1_000;

export class Timer {
  readonly #connections: Timed;
  readonly #nowUs: () => number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Worst lateness since it was last taken. */
  #lagUsMax = 0;

  constructor(connections: Timed, nowUs: () => number) {
    this.#connections = connections;
    this.#nowUs = nowUs;
    this.#arm();
  }

  /** How late the event loop of this process was at worst since the last call. */
  takeLagUsMax(): number {
    const lag = this.#lagUsMax;
    this.#lagUsMax = 0;
    return lag;
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #arm(): void {
    const nowUs = this.#nowUs();
    const napUs = Math.min(
      NAP_US_MAX,
      Math.max(NAP_US_MIN, (this.#connections.nextUs() ?? Number.POSITIVE_INFINITY) - nowUs),
    );
    const napMs = Math.floor(napUs / 1000);
    const armedUs = nowUs + napMs * 1000;
    this.#timer = setTimeout(() => {
      this.#lagUsMax = Math.max(this.#lagUsMax, this.#nowUs() - armedUs);
      this.#connections.work(armedUs);
      this.#arm();
    }, napMs);
  }
}
