// Owns: the time from losing a connection to being caught up on the next one, and reporting to the
// node what the application experienced.
import type { EngineContext } from "./engine-context.ts";

/** Streams that are not caught up after this long are taken as such in the counts. */
const CATCH_UP_MS = 10_000;
/** Between reports that no resume or move is the reason of. */
const REPORT_MS = 30_000;

export class Resumption {
  readonly #engine: EngineContext;
  #lostAtMs: number | undefined;
  #moved = false;
  #reportedAtMs = Number.NEGATIVE_INFINITY;
  #cancel: () => void = () => {};

  constructor(engine: EngineContext) {
    this.#engine = engine;
  }

  /** A connection was lost and what was missed is not here yet. */
  get pending(): boolean {
    return this.#lostAtMs !== undefined;
  }

  /**
   * A connection that was established stopped working at this time, or (undefined) one that was
   * not.
   */
  lost(atMs: number | undefined): void {
    this.#cancel();
    this.#lostAtMs ??= atMs;
  }

  /** Whether the application does not notice: the second connection of a move takes over. */
  set moved(moved: boolean) {
    this.#moved = moved;
  }

  connected(): void {
    if (!this.pending) return;
    this.#engine.counts.add(this.#moved ? "migrations" : "reconnects");
    this.#moved = false;
    this.#cancel = this.#engine.after(CATCH_UP_MS, () => this.caughtUp());
  }

  caughtUp(): void {
    this.#cancel();
    if (this.#lostAtMs === undefined) return;
    this.#engine.counts.resumed(this.#nowMs() - this.#lostAtMs);
    this.#lostAtMs = undefined;
    this.report();
  }

  /** A move ended without a pause. */
  overlapped(): void {
    this.#engine.counts.add("migrations");
    this.#engine.counts.total.deliveryPauseMsLast = 0;
    this.report();
  }

  /** Tells the node what changed since the last report, if anything did. */
  report(): void {
    const connection = this.#engine.ready();
    const counts = connection && this.#engine.counts.takeReport();
    if (!counts) return;
    this.#reportedAtMs = this.#nowMs();
    connection.send({ t: "report", counts });
  }

  reportIfDue(): void {
    if (this.#nowMs() - this.#reportedAtMs >= REPORT_MS) this.report();
  }

  #nowMs(): number {
    return this.#engine.nowMs();
  }
}
