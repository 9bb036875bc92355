// Owns: how many handshakes a second this node can take, measured while it takes them.

export interface CapacitySettings {
  /** The configured rate: the node never claims more. */
  readonly handshakesPerSecond: number;
  /** If the event loop is later than this, the node takes too many. */
  readonly lagMsMax: number;
}

/**
 * The measured rate never falls below this share of the configured one: a node that can do less has
 * another problem.
 */
const SHARE_MIN = 0.1;
const RAISE_PER_SECOND = 0.05;
const LOWER_FACTOR = 0.7;
/** A late event loop counts only while the node takes at least this share of its rate. */
const BUSY_SHARE = 0.3;

/**
 * The measured handshake rate (A), between a tenth of the configured rate and all of it. It rises
 * by addition and falls by multiplication (AIMD). It falls if the event loop was late while
 * handshakes came at a noticeable rate; otherwise it rises by a twentieth a second.
 */
export class CapacityMeter {
  #settings: CapacitySettings;
  #share = 1;

  constructor(settings: CapacitySettings) {
    this.#settings = settings;
  }

  configure(settings: CapacitySettings): void {
    this.#settings = settings;
  }

  /** Handshakes per second that the node can take now. */
  get handshakesPerSecond(): number {
    return this.#settings.handshakesPerSecond * this.#share;
  }

  /**
   * Called about once a second with how many handshakes were done in the last `periodMs` and how
   * late the event loop was.
   */
  observe(handshakes: number, periodMs: number, lagMs: number): void {
    if (periodMs <= 0) return;
    const busy =
      (handshakes * 1000) / periodMs >
      this.#settings.handshakesPerSecond * this.#share * BUSY_SHARE;
    if (busy && lagMs > this.#settings.lagMsMax)
      this.#share = Math.max(SHARE_MIN, this.#share * LOWER_FACTOR);
    else this.#share = Math.min(1, this.#share + (RAISE_PER_SECOND * periodMs) / 1000);
  }
}
