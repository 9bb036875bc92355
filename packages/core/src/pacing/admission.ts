// Owns: whether a handshake may proceed now, and when a refused client should come back.
import { type BucketRate, createTokenBucket } from "./token-bucket.ts";

export interface AdmissionSettings {
  /** Handshakes per second that the node can take (A). */
  readonly handshakesPerSecond: number;
  /** Share (0 to 1) of the admitted rate that only resumes may use. */
  readonly resumeReserve: number;
}

export type HandshakeKind = "resume" | "newcomer";

/**
 * Admits 0.85 of the handshake rate (A). A part of this is reserved for resumes, so that a storm of
 * newcomers cannot keep sessions out. Newcomers and resumes share the rest.
 *
 * A refused client gets its own slot in a virtual queue, one admitted handshake after the slot
 * given before. It is told when its slot is. So clients that come all at once come back one by one,
 * at the rate at which the node can serve them: about two attempts each and no peak. No slot is
 * remembered: a client that comes while a token is there is admitted. So slots of clients that
 * never come back cost nothing.
 */
export interface Admission {
  /**
   * 0: the handshake may proceed. Otherwise ms after which to come back, at most `RETRY_MS_MAX`.
   * `chance` is uniform in [0, 1). Allocates nothing.
   */
  ask(nowMs: number, kind: HandshakeKind, chance: number): number;
  /**
   * Uses other settings from now on. The queue stays: slots that were given are not given again.
   * Cheap: the node calls it every second.
   */
  configure(settings: AdmissionSettings, nowMs: number): void;
}

/**
 * Longest wait that a refused client is told. If the queue is longer, clients come back to ask
 * again, spread over the later half of this time.
 */
export const RETRY_MS_MAX = 120_000;

const ADMITTED_SHARE = 0.85;
/**
 * Buckets hold this much of their rate: enough to absorb the jitter of returning clients, too
 * little for a peak.
 */
const BURST_MS = 200;
const BURST_MIN = 4;
/** Spread of a client around its slot. Less than the bucket absorbs. */
const JITTER_MS = 100;
/**
 * Slots are a little further apart than tokens, so that the jitter of a full queue does not empty
 * the bucket.
 */
const SLOT_STRETCH = 1.05;
const RETRY_MS_MIN = 50;

export function createAdmission(settings: AdmissionSettings, nowMs: number): Admission {
  let [openRate, reservedRate] = ratesOf(settings);
  const open = createTokenBucket(openRate, nowMs);
  const reserved = createTokenBucket(reservedRate, nowMs);
  // When the next free slot of each virtual queue is.
  let openTailMs = nowMs;
  let reservedTailMs = nowMs;

  const slotAfter = (tailMs: number, atMs: number, rate: BucketRate): number =>
    // Never, if the rate is 0.
    Math.max(tailMs, atMs + RETRY_MS_MIN) + (SLOT_STRETCH * 1000) / rate.ratePerSecond;

  return {
    ask(atMs, kind, chance) {
      const admitted = kind === "resume" ? reserved.take(atMs) || open.take(atMs) : open.take(atMs);
      if (admitted) return 0;
      const openSlotMs = slotAfter(openTailMs, atMs, openRate);
      const reservedSlotMs =
        kind === "resume"
          ? slotAfter(reservedTailMs, atMs, reservedRate)
          : Number.POSITIVE_INFINITY;
      const slotMs = Math.min(openSlotMs, reservedSlotMs);
      if (slotMs - atMs + JITTER_MS > RETRY_MS_MAX)
        return Math.ceil((RETRY_MS_MAX * (1 + chance)) / 2);
      if (slotMs === openSlotMs) openTailMs = slotMs;
      else reservedTailMs = slotMs;
      return Math.ceil(slotMs - atMs + chance * JITTER_MS);
    },
    configure(next, atMs) {
      const [openBefore, reservedBefore] = [openRate, reservedRate];
      [openRate, reservedRate] = ratesOf(next);
      open.setRate(openRate, atMs);
      reserved.setRate(reservedRate, atMs);
      openTailMs = tailAt(openTailMs, atMs, openBefore.ratePerSecond / openRate.ratePerSecond);
      reservedTailMs = tailAt(
        reservedTailMs,
        atMs,
        reservedBefore.ratePerSecond / reservedRate.ratePerSecond,
      );
    },
  };
}

/** The queue is as many clients long as before, and they take `factor` times as long. */
const tailAt = (tailMs: number, atMs: number, factor: number): number =>
  Number.isFinite(factor) ? atMs + Math.max(0, tailMs - atMs) * factor : atMs;

function ratesOf(settings: AdmissionSettings): [open: BucketRate, reserved: BucketRate] {
  const admittedPerSecond = ADMITTED_SHARE * settings.handshakesPerSecond;
  const share = Math.min(1, Math.max(0, settings.resumeReserve));
  return [bucketOf(admittedPerSecond * (1 - share)), bucketOf(admittedPerSecond * share)];
}

const bucketOf = (ratePerSecond: number): BucketRate => ({
  ratePerSecond,
  burst: ratePerSecond > 0 ? Math.max(BURST_MIN, (ratePerSecond * BURST_MS) / 1000) : 0,
});
