// Owns: how many set-ups a second this node can take, found out while it takes them.

export interface CapacitySettings {
  /** What the configuration believes: the most that is ever claimed. */
  readonly handshakesPerSecond: number;
  /** An event loop later than this says that it is too much. */
  readonly lagMsMax: number;
}

/** Never below this share of what is configured: a node that can do less has another problem. */
const SHARE_MIN = 0.1;
const RAISE_PER_SECOND = 0.05;
const LOWER_FACTOR = 0.7;
/** Only a node that is busy with set-ups learns anything about them. */
const BUSY_SHARE = 0.3;

/**
 * A, measured: additive increase, multiplicative decrease between a tenth of what is configured and
 * all of it. Lowered when the event loop was late while set-ups came at a noticeable rate; raised
 * by a twentieth a second otherwise.
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

  /** Set-ups per second that can be taken now. */
  get handshakesPerSecond(): number {
    return this.#settings.handshakesPerSecond * this.#share;
  }

  /**
   * Told about once a second how many set-ups were done in the last `periodMs` and how late the
   * event loop was.
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
