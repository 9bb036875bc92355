// Owns: a simulated node that receives connections: the real admission and capacity meter, and an
// event loop that does one thing at a time.
import { type Admission, CapacityMeter, createAdmission, WaitingLine } from "@holdfast/core";

export interface ReceivingNodeSettings {
  /** The configured handshake rate (A). */
  readonly handshakesPerSecond: number;
  readonly resumeReserve: number;
  /** Connections whose first frame is not answered; more are told to try later at once. */
  readonly handshakesInFlightMax: number;
  readonly lagMsMax: number;
  readonly figuresMs: number;
  /** False: every client is admitted, as by a server without admission. */
  readonly admits: boolean;
}

/** What the event loop spends on one connection that comes, in ms. */
export interface SetUpCosts {
  /** TCP and the upgrade, before the first frame. */
  readonly upgradeMs: number;
  /** A session that resumes, with its subscriptions. */
  readonly connectMs: number;
  /** A goodbye, and the end of the connection. */
  readonly refuseMs: number;
}

/**
 * When the event loop has handled the event, and how long the client must wait (0: it may proceed).
 */
export interface Answer {
  readonly doneMs: number;
  readonly retryMs: number;
}

const SAMPLE_MS = 250;
/** Weight of a sample in the lag that a node tells of itself, as in the server's Load. */
const LAG_WEIGHT = 0.25;
/** As in the handshake of a node. */
const BUSY_MS_MIN = 1000;
const BUSY_SHARE = 0.85;
/**
 * Counts are kept for each tenth of a second; what happens later than two hours counts in the last.
 */
const SLOT_MS = 100;
const SLOTS_OF_SECOND = 10;
const SLOTS_MAX = 72_000;

export class ReceivingNode {
  readonly #settings: ReceivingNodeSettings;
  readonly #costs: SetUpCosts;
  readonly #chance: () => number;
  readonly #meter: CapacityMeter;
  readonly #admission: Admission;
  readonly #busyLine = new WaitingLine();
  #busy = 0;
  /**
   * When the first frames that wait will have been answered, oldest first; from `#answeredFrom` on.
   */
  #answers: number[] = [];
  #answeredFrom = 0;
  #upgraded = 0;
  #sampledMs = 0;
  #figuresMs = 0;
  #setUps = 0;
  #attempts = new Uint32Array(64);
  #done = new Uint32Array(64);
  busyUntilMs = 0;
  lagMs = 0;

  /** `background`: share (0 to 1) of the event loop that deliveries take. */
  constructor(options: {
    readonly settings: ReceivingNodeSettings;
    readonly costs: SetUpCosts;
    readonly background: number;
    readonly chance: () => number;
  }) {
    const { settings, costs, background, chance } = options;
    this.#settings = settings;
    this.#chance = chance;
    const slowed = 1 / Math.max(0.02, 1 - background);
    this.#costs = {
      upgradeMs: costs.upgradeMs * slowed,
      connectMs: costs.connectMs * slowed,
      refuseMs: costs.refuseMs * slowed,
    };
    this.#meter = new CapacityMeter({
      handshakesPerSecond: settings.handshakesPerSecond,
      lagMsMax: settings.lagMsMax,
    });
    this.#admission = createAdmission(settings, 0);
  }

  /** The handshake rate (A) as the node measures it now. */
  get handshakesPerSecond(): number {
    return this.#meter.handshakesPerSecond;
  }

  /** Most connections that came, and most sessions that were set up, in any second. */
  get peaks(): { readonly attempts: number; readonly setUps: number } {
    return { attempts: peakOf(this.#attempts), setUps: peakOf(this.#done) };
  }

  /**
   * A connection comes. `retryMs` 0: its upgrade is done at `doneMs`, and its first frame may come;
   * otherwise it is told to come back after that.
   */
  upgrade(nowMs: number): Answer {
    this.#keepTime(nowMs);
    this.#attempts = counted(this.#attempts, nowMs);
    const busy =
      this.#settings.admits &&
      this.#upgraded + this.#unanswered(nowMs) > this.#settings.handshakesInFlightMax;
    if (busy)
      return {
        doneMs: this.#work(nowMs, this.#costs.upgradeMs + this.#costs.refuseMs),
        // Each client has an address of its own.
        retryMs: this.#busyLine.ask(String(this.#busy++), nowMs, {
          ratePerSecond: BUSY_SHARE * this.#meter.handshakesPerSecond,
          leastMs: BUSY_MS_MIN,
          chance: this.#chance(),
        }),
      };
    this.#upgraded += 1;
    return { doneMs: this.#work(nowMs, this.#costs.upgradeMs), retryMs: 0 };
  }

  /**
   * Its first frame comes. `retryMs` 0: it has a session at `doneMs`; otherwise it is told to come
   * back after that. `turnedAwayMs` above 0: that long, and admission is not asked.
   */
  hello(nowMs: number, turnedAwayMs = 0): Answer {
    this.#keepTime(nowMs);
    this.#upgraded -= 1;
    const startMs = Math.max(nowMs, this.busyUntilMs);
    const retryMs =
      turnedAwayMs > 0 || !this.#settings.admits
        ? turnedAwayMs
        : this.#admission.ask(startMs, "resume", this.#chance());
    const doneMs = this.#work(nowMs, retryMs === 0 ? this.#costs.connectMs : this.#costs.refuseMs);
    this.#answers.push(doneMs);
    if (retryMs === 0) {
      this.#setUps += 1;
      this.#done = counted(this.#done, doneMs);
    }
    return { doneMs, retryMs };
  }

  #unanswered(nowMs: number): number {
    while ((this.#answers[this.#answeredFrom] ?? Number.POSITIVE_INFINITY) <= nowMs)
      this.#answeredFrom += 1;
    if (this.#answeredFrom > 1000 && this.#answeredFrom * 2 > this.#answers.length) {
      this.#answers = this.#answers.slice(this.#answeredFrom);
      this.#answeredFrom = 0;
    }
    return this.#answers.length - this.#answeredFrom;
  }

  #work(nowMs: number, costMs: number): number {
    this.busyUntilMs = Math.max(nowMs, this.busyUntilMs) + costMs;
    return this.busyUntilMs;
  }

  /**
   * Lag and the handshake rate (A) are measured as a node measures them, at the times at which a
   * free event loop would.
   */
  #keepTime(nowMs: number): void {
    // After a long silence nothing has changed except the rate (A), which is back at its maximum.
    if (nowMs - this.#sampledMs > 60_000) this.#sampledMs = nowMs - 60_000;
    while (this.#sampledMs + SAMPLE_MS <= nowMs) {
      this.#sampledMs += SAMPLE_MS;
      const lateMs = Math.max(0, this.busyUntilMs - this.#sampledMs);
      this.lagMs += (lateMs - this.lagMs) * LAG_WEIGHT;
      if (this.#sampledMs - this.#figuresMs < this.#settings.figuresMs) continue;
      this.#meter.observe(this.#setUps, this.#sampledMs - this.#figuresMs, this.lagMs);
      this.#figuresMs = this.#sampledMs;
      this.#setUps = 0;
      const { resumeReserve } = this.#settings;
      // Decisions about the future stay: the queue's clock does not go back.
      this.#admission.configure(
        { resumeReserve, handshakesPerSecond: this.#meter.handshakesPerSecond },
        Math.max(this.#sampledMs, this.busyUntilMs),
      );
    }
  }
}

/** The counts with one more in the slot of `atMs`. */
function counted(counts: Uint32Array<ArrayBuffer>, atMs: number): Uint32Array<ArrayBuffer> {
  const slot = Math.min(SLOTS_MAX - 1, Math.floor(atMs / SLOT_MS));
  const roomy = slot < counts.length ? counts : grown(counts, slot);
  roomy[slot] = (roomy[slot] ?? 0) + 1;
  return roomy;
}

function grown(counts: Uint32Array<ArrayBuffer>, slot: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.min(SLOTS_MAX, Math.max(slot + 1, counts.length * 2)));
  larger.set(counts);
  return larger;
}

/** Most in any second, wherever it begins. */
function peakOf(counts: Uint32Array): number {
  let [inSecond, most] = [0, 0];
  for (const [slot, count] of counts.entries()) {
    inSecond += count - (counts[slot - SLOTS_OF_SECOND] ?? 0);
    most = Math.max(most, inSecond);
  }
  return most;
}
