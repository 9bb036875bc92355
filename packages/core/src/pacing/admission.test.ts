// Owns: tests of admission, among them whole storms in simulated time.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createAdmission, type HandshakeKind, RETRY_MS_MAX } from "./admission.ts";

const random = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
};

interface Attempt {
  readonly atMs: number;
  readonly kind: HandshakeKind;
  readonly tries: number;
}

interface Storm {
  readonly seed: number;
  readonly handshakesPerSecond: number;
  readonly resumeReserve: number;
  readonly arrivals: readonly { readonly atMs: number; readonly kind: HandshakeKind }[];
  /** Told its settings again so often, as the node's sweep does. */
  readonly configureEveryMs?: number;
}

/** Every client asks, waits as told (plus up to 40 ms of network) and asks again until it is in. */
function play(storm: Storm) {
  const next = random(storm.seed);
  const admission = createAdmission(storm, 0);
  const slots: Attempt[][] = [];
  const add = (attempt: Attempt) => {
    const slot = Math.floor(attempt.atMs);
    slots[slot] ??= [];
    slots[slot]?.push(attempt);
  };
  for (const { atMs, kind } of storm.arrivals) add({ atMs, kind, tries: 1 });
  const admitted: Attempt[] = [];
  let attempts = 0;
  const attemptsPer100Ms: number[] = [];
  for (let ms = 0; ms < slots.length && ms < 3_600_000; ms++) {
    if (ms > 0 && ms % (storm.configureEveryMs ?? Number.POSITIVE_INFINITY) === 0)
      admission.configure(storm, ms);
    for (const attempt of slots[ms] ?? []) {
      attempts++;
      attemptsPer100Ms[Math.floor(ms / 100)] = (attemptsPer100Ms[Math.floor(ms / 100)] ?? 0) + 1;
      const retryMs = admission.ask(ms, attempt.kind, next());
      if (retryMs === 0) admitted.push({ ...attempt, atMs: ms });
      else
        add({
          atMs: ms + Math.max(1, retryMs) + next() * 40,
          kind: attempt.kind,
          tries: attempt.tries + 1,
        });
    }
  }
  const peak = (fromMs: number) =>
    Math.max(...attemptsPer100Ms.slice(fromMs / 100).map((count) => count ?? 0));
  return { admitted, attempts, peak, endMs: admitted.at(-1)?.atMs ?? 0 };
}

const herd = (count: number, kind: HandshakeKind, fromMs = 0, overMs = 100) =>
  Array.from({ length: count }, (_, i) => ({ atMs: fromMs + (i * overMs) / count, kind }));

describe("admission", () => {
  test("a storm of 10,000 newcomers is served at the admitted rate, in about two attempts each, without a second peak", () => {
    const storm = play({
      seed: 1,
      handshakesPerSecond: 500,
      resumeReserve: 0.2,
      arrivals: herd(10_000, "newcomer"),
    });
    const openPerSecond = 500 * 0.85 * 0.8;
    expect(storm.admitted.length).toBe(10_000);
    expect(storm.attempts / 10_000).toBeLessThan(2.1);
    expect(storm.endMs / 1000).toBeLessThan((10_000 / openPerSecond) * 1.1);
    expect(storm.peak(200)).toBeLessThan((openPerSecond / 10) * 1.8);
  });

  test("a node that says its settings every second gives no slot twice", () => {
    // They come over 30 s, faster than they can be served: the queue grows the whole time.
    const arrivals = herd(10_000, "newcomer", 0, 30_000);
    const storm = play({
      seed: 1,
      handshakesPerSecond: 250,
      resumeReserve: 0.2,
      arrivals,
      configureEveryMs: 1000,
    });
    expect(storm.admitted.length).toBe(10_000);
    expect(storm.attempts / 10_000).toBeLessThan(2.2);
  });

  test("resumes get in while ten thousand newcomers storm", () => {
    const arrivals = [...herd(10_000, "newcomer"), ...herd(1000, "resume", 50, 30_000)].sort(
      (a, b) => a.atMs - b.atMs,
    );
    const storm = play({ seed: 2, handshakesPerSecond: 500, resumeReserve: 0.2, arrivals });
    const resumes = storm.admitted.filter(({ kind }) => kind === "resume");
    expect(resumes.length).toBe(1000);
    expect(resumes.filter(({ tries }) => tries === 1).length).toBe(1000);
  });

  test("a herd of resumes uses the whole admitted rate, not the reserve alone", () => {
    const storm = play({
      seed: 3,
      handshakesPerSecond: 200,
      resumeReserve: 0.25,
      arrivals: herd(3000, "resume"),
    });
    expect(storm.endMs / 1000).toBeLessThan((3000 / (200 * 0.85)) * 1.15);
    expect(storm.attempts / 3000).toBeLessThan(2.2);
  });

  test("a storm on top of steady arrivals drains, and few ask more than four times", () => {
    const arrivals = [...herd(4000, "newcomer"), ...herd(3600, "newcomer", 0, 60_000)].sort(
      (a, b) => a.atMs - b.atMs,
    );
    const storm = play({ seed: 4, handshakesPerSecond: 200, resumeReserve: 0.1, arrivals });
    expect(storm.admitted.length).toBe(7600);
    // The steady ones come for 60 s, and 7,600 / 153 per second is 50 s: the storm is over before
    // they are.
    expect(storm.endMs).toBeLessThan(62_000);
    expect(storm.attempts / 7600).toBeLessThan(3);
    expect(storm.admitted.filter(({ tries }) => tries > 4).length / 7600).toBeLessThan(0.1);
  });

  test("where the queue is longer than the longest wait, clients are told to ask again within it", () => {
    const admission = createAdmission({ handshakesPerSecond: 1, resumeReserve: 0 }, 0);
    const next = random(5);
    for (let i = 0; i < 10_000; i++) {
      const retryMs = admission.ask(0, "newcomer", next());
      expect(retryMs).toBeLessThanOrEqual(RETRY_MS_MAX);
      if (i > 200) expect(retryMs).toBeGreaterThanOrEqual(RETRY_MS_MAX / 2);
    }
  });

  test("no part of the rate is no burst either: all for newcomers, or all for resumes", () => {
    const admitted = (resumeReserve: number, kind: HandshakeKind) => {
      const admission = createAdmission({ handshakesPerSecond: 10, resumeReserve }, 0);
      return Array.from({ length: 50 }, () => admission.ask(0, kind, 0)).filter((ms) => ms === 0)
        .length;
    };
    expect([admitted(0, "resume"), admitted(0, "newcomer")]).toEqual([4, 4]);
    expect([admitted(1, "resume"), admitted(1, "newcomer")]).toEqual([4, 0]);
  });

  test("whenever a client comes, it is told its own slot, and a random time more", () => {
    const [early, late] = [0, 0.9].map((chance) => {
      const admission = createAdmission({ handshakesPerSecond: 10, resumeReserve: 0 }, 1e9);
      for (let i = 0; i < 4; i++) expect(admission.ask(1e9, "newcomer", chance)).toBe(0);
      return admission.ask(1e9, "newcomer", chance);
    });
    expect(early).toBeLessThan(500);
    expect((late ?? 0) - (early ?? 0)).toBe(90);
  });

  test("nobody is told to come back sooner than is worth the way", () => {
    const admission = createAdmission({ handshakesPerSecond: 10_000, resumeReserve: 0 }, 0);
    let retryMs = 0;
    for (let i = 0; i < 10_000 && retryMs === 0; i++) retryMs = admission.ask(0, "newcomer", 0);
    expect(retryMs).toBe(51);
  });

  test("a reserve that is new is there for resumes", () => {
    const admission = createAdmission({ handshakesPerSecond: 10, resumeReserve: 0 }, 0);
    admission.configure({ handshakesPerSecond: 10, resumeReserve: 1 }, 0);
    expect(admission.ask(1_000, "resume", 0)).toBe(0);
  });

  test("clients that never come back do not keep others out", () => {
    const admission = createAdmission({ handshakesPerSecond: 100, resumeReserve: 0 }, 0);
    for (let i = 0; i < 5000; i++) admission.ask(0, "newcomer", 0.5);
    for (let i = 1; i <= 80; i++) expect(admission.ask(1000 + i * 12.5, "newcomer", 0.5)).toBe(0);
  });

  test("a new rate is in force at once, and the queue gets as much shorter as it is faster", () => {
    const admission = createAdmission({ handshakesPerSecond: 1, resumeReserve: 0 }, 0);
    for (let i = 0; i < 100; i++) admission.ask(0, "newcomer", 0);
    admission.configure({ handshakesPerSecond: 1000, resumeReserve: 0 }, 0);
    expect(admission.ask(5, "newcomer", 0)).toBe(0);
    for (let i = 0; i < 10; i++) expect(admission.ask(5, "newcomer", 0)).toBeLessThan(250);
    const reserved = createAdmission({ handshakesPerSecond: 1, resumeReserve: 1 }, 0);
    for (let i = 0; i < 100; i++) reserved.ask(0, "resume", 0);
    reserved.configure({ handshakesPerSecond: 1000, resumeReserve: 1 }, 0);
    for (let i = 0; i < 10; i++) expect(reserved.ask(5, "resume", 0)).toBeLessThan(250);
  });

  test("never admits more than the burst and 0.85 A, nor newcomers more than their part, in any order of arrivals", () => {
    const arrival = fc.record({
      passedMs: fc.integer({ min: 0, max: 300 }),
      resume: fc.boolean(),
      count: fc.integer({ min: 1, max: 50 }),
    });
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        share,
        fc.array(arrival),
        (handshakesPerSecond, resumeReserve, arrivals) => {
          const admission = createAdmission({ handshakesPerSecond, resumeReserve }, 0);
          const rate = 0.85 * handshakesPerSecond;
          let nowMs = 0;
          let all = 0;
          let newcomers = 0;
          for (const { passedMs, resume, count } of arrivals) {
            nowMs += passedMs;
            for (let i = 0; i < count; i++) {
              const retryMs = admission.ask(nowMs, resume ? "resume" : "newcomer", 0.5);
              expect(retryMs >= 0 && retryMs <= RETRY_MS_MAX).toBe(true);
              if (retryMs !== 0) continue;
              all++;
              if (!resume) newcomers++;
            }
            const openRate = rate * (1 - resumeReserve);
            expect(newcomers).toBeLessThanOrEqual(
              Math.max(4, openRate * 0.2) + (openRate * nowMs) / 1000 + 1e-6,
            );
            expect(all).toBeLessThanOrEqual(
              Math.max(8, 4 + rate * 0.2) + (rate * nowMs) / 1000 + 1e-6,
            );
          }
        },
      ),
    );
  });
});
