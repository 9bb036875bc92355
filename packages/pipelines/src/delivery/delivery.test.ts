// Owns: tests of deliveries: batches, repeats, pauses, refusals, fullness, the end; and a
// simulation of targets that fail in every way.
import { describe, expect, test } from "bun:test";
import { createManualClock, createSeededRandom, type SeededRandom } from "@holdfast/testkit";
import {
  type Sink,
  type SinkBatch,
  SinkError,
  type SinkRecord,
  type SinkRefusals,
} from "../sink.ts";
import { BREAKER_LIMITS, type BreakerLimits, SinkBreaker } from "./breaker.ts";
import { type DeliveryOptions, SinkDelivery } from "./delivery.ts";

type Answer = SinkRefusals | undefined | SinkError;

const record = (sequence: number, text = "v"): SinkRecord => ({
  id: `p/0/${sequence}`,
  sequence,
  key: `k${sequence % 3}`,
  timeMs: sequence,
  value: text,
  params: {},
});

/** A delivery into a sink whose answers the test gives. */
function start(
  options: Partial<DeliveryOptions> & { readonly breakerLimits?: Partial<BreakerLimits> } = {},
) {
  const clock = createManualClock();
  const random = createSeededRandom("delivery");
  const batches: SinkBatch[] = [];
  const told: string[] = [];
  const open: { answer: (answer: Answer) => void }[] = [];
  let closes = 0;
  const sink: Sink = {
    write(batch) {
      batches.push(batch);
      return new Promise((resolve, reject) => {
        open.push({
          answer: (answer) => (answer instanceof SinkError ? reject(answer) : resolve(answer)),
        });
      });
    },
    async close() {
      closes += 1;
    },
  };
  const delivery = new SinkDelivery({
    pipeline: "p",
    partition: 0,
    output: 0,
    open: () => sink,
    breaker: new SinkBreaker(random, options.breakerLimits),
    clock,
    delivered: (sequence) => told.push(`delivered ${sequence}`),
    refused: ({ sequence }, reason) => told.push(`refused ${sequence}: ${reason}`),
    failed: (error) => told.push(`failed ${error.code}`),
    room: () => told.push("room"),
    onBug: (error) => told.push(`bug ${error}`),
    ...options,
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };
  return {
    clock,
    delivery,
    batches,
    told,
    closes: () => closes,
    push: (...sequences: number[]) => {
      for (const sequence of sequences) delivery.push(record(sequence));
    },
    answer: async (answer?: Answer) => {
      open.shift()?.answer(answer);
      await settle();
    },
    settle,
    sizes: () => batches.map(({ records }) => records.length),
  };
}

const away = new SinkError("unavailable", "away");

describe("batches", () => {
  test("the first record goes at once, and what came meanwhile goes together", async () => {
    const { push, answer, batches, sizes, told } = start();
    push(1, 2, 3);
    expect(sizes()).toEqual([1]);
    await answer();
    expect(sizes()).toEqual([1, 2]);
    await answer();
    expect(batches[1]?.records.map(({ sequence }) => sequence)).toEqual([2, 3]);
    expect(told).toEqual(["delivered 1", "delivered 3"]);
  });

  test("a batch ends at its records and at its bytes; a record that is larger goes alone", async () => {
    const { push, delivery, answer, sizes } = start({ batching: { recordsMax: 3, bytesMax: 20 } });
    push(1, 2, 3, 4, 5);
    delivery.push(record(6, "x".repeat(100)));
    delivery.push(record(7, "x".repeat(16)));
    push(8);
    for (let round = 0; round < 6; round++) await answer();
    expect(sizes()).toEqual([1, 3, 1, 1, 1, 1]);
  });

  test("records wait for others for their time, and not when the batch is full or flushed", async () => {
    const { push, clock, answer, sizes, delivery } = start({
      batching: { recordsMax: 3, waitMs: 100 },
    });
    push(1, 2);
    clock.advance(99);
    expect(sizes()).toEqual([]);
    clock.advance(1);
    expect(sizes()).toEqual([2]);
    await answer();
    push(3, 4);
    expect(sizes()).toEqual([2]);
    push(5);
    expect(sizes()).toEqual([2, 3]);
    await answer();
    push(6);
    const flushed = delivery.flush(1_000);
    expect(sizes()).toEqual([2, 3, 1]);
    await answer();
    expect(await flushed).toBe(true);
    push(7);
    expect(sizes()).toEqual([2, 3, 1]);
  });
});

describe("failures", () => {
  test("a batch is repeated as it was, behind pauses that grow up to their limit, with jitter", async () => {
    const { push, answer, clock, batches, told, delivery } = start();
    const pauses: number[] = [];
    push(1);
    for (let attempt = 1; attempt <= 14; attempt++) {
      expect(batches.length).toBe(attempt);
      await answer(away);
      push(1 + attempt);
      const began = clock.nowMs();
      while (batches.length === attempt) clock.advance(1);
      pauses.push(clock.nowMs() - began);
    }
    expect(new Set(batches.map(({ records }) => records.length))).toEqual(new Set([1]));
    expect(batches.map((batch) => batch.attempt)).toEqual([...Array(15).keys()].map((n) => n + 1));
    for (const [index, pause] of pauses.entries()) {
      const longest = Math.min(BREAKER_LIMITS.backoffMsMax, 100 * 2 ** index);
      expect(pause).toBeGreaterThanOrEqual(longest / 2);
      expect(pause).toBeLessThanOrEqual(longest + 1);
    }
    expect(delivery.figures).toMatchObject({ failures: 14, attempt: 15, lastError: "unavailable" });
    await answer();
    expect(batches.at(-1)?.records).toHaveLength(14);
    expect(told.at(-1)).toBe("delivered 1");
    expect(delivery.figures).toMatchObject({ attempt: 1, lastError: undefined });
  });

  test.each([
    ["a pause that the target asks for", new SinkError("busy", "b", { retryMs: 20_000 }), 20_000],
    ["at most five minutes of it", new SinkError("busy", "b", { retryMs: 9e9 }), 300_000],
    ["no pause that is no number", new SinkError("busy", "b", { retryMs: Number.NaN }), 50],
    ["the longest pause for wrong credentials", new SinkError("refused", "r"), 15_000],
  ])("obeyed: %s", async (_what, error, leastMs) => {
    const { push, answer, clock, batches } = start();
    push(1);
    await answer(error);
    clock.advance(leastMs - 1);
    expect(batches).toHaveLength(1);
    clock.advance(Math.max(leastMs, 15_001) * 0.2 + 15_000);
    expect(batches).toHaveLength(2);
  });

  test("what is thrown and is no SinkError is a bug, and the batch is repeated", async () => {
    let calls = 0;
    const open = (): Sink => ({
      async write() {
        calls += 1;
        if (calls === 1) throw new TypeError("a secret may be in here");
        return calls === 2 ? { refused: [{ index: 7, reason: "nothing" }] } : undefined;
      },
      async close() {},
    });
    const { push, clock, told, settle } = start({ open });
    push(1);
    await settle();
    clock.advance(100);
    await settle();
    clock.advance(200);
    await settle();
    expect(told).toEqual([
      "bug TypeError: a secret may be in here",
      "failed internal",
      "failed internal",
      "delivered 1",
    ]);
  });

  test("a sink that never settles is closed and opened anew", async () => {
    const { push, clock, told, batches, closes, settle } = start({
      limits: { timeoutMs: 1_000, stuckMs: 500 },
    });
    push(1);
    clock.advance(1_499);
    await settle();
    expect([told, closes()]).toEqual([[], 0]);
    clock.advance(1);
    await settle();
    expect([told, closes()]).toEqual([["failed timeout"], 1]);
    clock.advance(100);
    expect(batches).toHaveLength(2);
  });

  test("refused records are told, each once, and the others are delivered", async () => {
    const { push, answer, told, delivery } = start({ batching: { recordsMax: 9 } });
    push(1);
    await answer({ refused: [{ index: 0, reason: "no such column".repeat(100) }] });
    expect(told[0]?.length).toBeLessThan(230);
    push(2, 3, 4);
    await answer();
    await answer({ refused: [{ index: 1, reason: "bad" }] });
    expect(told.slice(1)).toEqual(["delivered 1", "delivered 2", "refused 4: bad", "delivered 4"]);
    expect(delivery.figures).toMatchObject({ delivered: 2, refused: 2, queued: 0, queuedBytes: 0 });
  });
});

describe("the breaker", () => {
  test("behind an open breaker one partition tries, and the others wait for it", () => {
    const breaker = new SinkBreaker(createSeededRandom(1), { failuresMax: 2 });
    const [a, b] = [{}, {}];
    const failure = { code: "unavailable", attempt: 1 } as const;
    expect([breaker.waitMs(a, 0), breaker.waitMs(b, 0)]).toEqual([0, 0]);
    breaker.failed(a, { ...failure, nowMs: 0 });
    expect(breaker.state).toBe("closed");
    const pauseMs = breaker.failed(b, { ...failure, nowMs: 0 });
    expect(breaker.state).toBe("open");
    expect(breaker.waitMs(a, 0)).toBe(pauseMs);
    expect(breaker.waitMs(a, pauseMs)).toBe(0);
    expect([breaker.state, breaker.waitMs(b, pauseMs) > 0]).toEqual(["probing", true]);
    // The one that tries goes away: another may.
    breaker.left(a);
    expect(breaker.waitMs(b, pauseMs)).toBe(0);
    breaker.succeeded(b);
    expect([breaker.state, breaker.failures, breaker.waitMs(a, pauseMs)]).toEqual(["closed", 0, 0]);
  });
});

describe("fullness and the end", () => {
  test("at its records or bytes it is full, and tells when there is room", async () => {
    const limits = { queuedRecordsMax: 3, queuedBytesMax: 100 };
    const { push, delivery, answer, told } = start({ limits });
    push(1, 2);
    expect(delivery.isFull).toBe(false);
    push(3);
    expect(delivery.isFull).toBe(true);
    await answer();
    expect([delivery.isFull, told]).toEqual([false, ["delivered 1", "room"]]);
    delivery.push(record(4, "x".repeat(100)));
    expect(delivery.isFull).toBe(true);
  });

  test("closing delivers what waits, within its time, and closes the sink", async () => {
    const { push, delivery, answer, closes, told } = start({ batching: { waitMs: 10_000 } });
    push(1, 2);
    const closing = delivery.close(1_000);
    push(3);
    await answer();
    expect(await closing).toBe(true);
    expect([told, closes()]).toEqual([["delivered 2"], 1]);
  });

  test("a target that stays away does not hold back the end", async () => {
    const { push, delivery, answer, closes, clock, batches, told } = start();
    push(1, 2);
    await answer(away);
    const closing = delivery.close(1_000);
    clock.advance(1_000);
    await answer(away);
    expect(await closing).toBe(false);
    const attempts = batches.length;
    clock.advance(100_000);
    expect([batches.length, closes(), told.includes("delivered 1")]).toEqual([attempts, 1, false]);
  });
});

describe("simulation", () => {
  test.each([...Array(40).keys()])(
    "seed %i: whatever the target does, each record is there or told as refused, in order",
    (seed) => simulate(createSeededRandom(`delivery ${seed}`)),
  );
});

/** Two partitions and one target that fails, answers late, does part of a batch, or refuses. */
async function simulate(random: SeededRandom): Promise<void> {
  const clock = createManualClock();
  const breaker = new SinkBreaker(random.fork("breaker"));
  let isHealed = false;
  const partitions = [0, 1].map((partition) => {
    const there: number[] = [];
    const dead: number[] = [];
    let deliveredTo = 0;
    let writing = 0;
    const open = (): Sink => {
      let isOpen = true;
      return {
        async write({ records }) {
          expect(++writing).toBe(1);
          const end = (): void => {
            writing -= 1;
          };
          const chance = isHealed ? 1 : random.next();
          const delayMs = isHealed ? 1 : random.next() * 12_000;
          await new Promise<void>((resolve) => clock.after(delayMs, resolve));
          end();
          if (!isOpen) throw new SinkError("unavailable", "closed");
          if (chance < 0.3) throw new SinkError("unavailable", "before");
          const bad = (sequence: number): boolean => sequence % 17 === 0;
          const part = chance < 0.5 ? Math.floor(random.next() * records.length) : records.length;
          for (const { sequence } of records.slice(0, part))
            if (!bad(sequence)) there.push(sequence);
          if (chance < 0.6) throw new SinkError("timeout", "after");
          const refused = records.flatMap(({ sequence }, index) =>
            bad(sequence) ? [{ index, reason: "bad" }] : [],
          );
          return refused.length === 0 ? undefined : { refused };
        },
        async close() {
          isOpen = false;
          writing = 0;
        },
      };
    };
    const delivery = new SinkDelivery({
      pipeline: "p",
      partition,
      output: 0,
      open,
      breaker,
      clock,
      batching: { recordsMax: 10, waitMs: 50 },
      limits: { queuedRecordsMax: 30 },
      delivered: (sequence) => {
        expect(sequence).toBeGreaterThan(deliveredTo);
        deliveredTo = sequence;
        const known = new Set([...there, ...dead]);
        for (let one = 1; one <= sequence; one++) expect(known.has(one)).toBe(true);
      },
      refused: ({ sequence }) => dead.push(sequence),
      onBug: (error) => {
        throw error;
      },
    });
    return { delivery, there, dead, delivered: () => deliveredTo, pushed: 0 };
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 12; turn++) await Promise.resolve();
  };
  for (let step = 0; step < 400; step++) {
    const one = partitions[Math.floor(random.next() * 2)];
    if (one !== undefined && !one.delivery.isFull && random.next() < 0.7)
      one.delivery.push(record(++one.pushed));
    clock.advance(random.next() * 200);
    await settle();
  }
  isHealed = true;
  for (let step = 0; step < 2_000; step++) {
    clock.advance(100);
    await settle();
  }
  for (const { delivery, there, dead, delivered, pushed } of partitions) {
    expect([delivery.figures.queued, delivered()]).toEqual([0, pushed]);
    expect(dead).toEqual([...new Set(dead)].sort((one, other) => one - other));
    // First arrivals are in order: a repetition may come again, and never ahead.
    const first = [...new Set(there)];
    expect(first).toEqual(first.toSorted((one, other) => one - other));
    expect(first.length + dead.length).toBe(pushed);
  }
}
