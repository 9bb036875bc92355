// Owns: the contract suite of the port of sinks: what any adapter has to do, tested against its
// real target.
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  type Sink,
  type SinkAdapter,
  SinkBreaker,
  type SinkContext,
  SinkDelivery,
  SinkError,
  type SinkRecord,
} from "@holdfast/pipelines";
import { createSeededRandom } from "../index.ts";
import { ContractError } from "./broker-harness.ts";
import { realClock } from "./real-clock.ts";

/** What a target has, as somebody who reads it sees it. */
export interface Arrived {
  readonly id: string;
  readonly key: string;
  readonly value: unknown;
}

/** One target with nothing in it, made anew for each test. */
export interface SinkHarness {
  readonly adapter: SinkAdapter;
  /** Options that are right. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Variables that the options name. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Everything that has arrived, in its order. */
  read(): Promise<readonly Arrived[]>;
  /** Whether a record that comes twice is there once. */
  readonly isOnce: boolean;
  /** Stops the target without a word, and starts it again with what it had. */
  readonly power?: { off(): Promise<void>; on(): Promise<void> };
  /** Makes it silent, while its connections stand, and lets it go on. */
  readonly freeze?: { on(): void; off(): void };
  /** Values that the target never takes, one for each. */
  readonly refused?: readonly unknown[];
  /** Options and variables with which the target does not let the sink in: code "refused". */
  readonly strangers?: readonly {
    readonly what: string;
    readonly options?: Readonly<Record<string, unknown>>;
    readonly secrets?: Readonly<Record<string, string>>;
  }[];
  /** Options that have problems. */
  readonly wrong: readonly Readonly<Record<string, unknown>>[];
  close(): Promise<void>;
}

/** How long one `write` may take in these tests; what is frozen is noticed after it. */
const TIMEOUT_MS = 3_000;

/**
 * Declares the tests. Values are objects with the members `n` (a number), `text` and `more`, for
 * targets with columns. Sets the time limit of the calling file's tests to a minute.
 */
export function describeSink(name: string, make: () => Promise<SinkHarness>): void {
  setDefaultTimeout(60_000);
  describe(`sink contract: ${name}`, () => {
    let bench: SinkBench | undefined;
    beforeEach(async () => {
      bench = new SinkBench(await make());
    });
    afterEach(async () => {
      await bench?.close();
      bench = undefined;
    });
    const current = (): SinkBench => {
      if (bench === undefined)
        throw new ContractError("Cannot test: found no harness, expected make() to give one");
      return bench;
    };
    describeWrites(current);
    describeTrouble(current);
    describeOptions(current);
    describeDelivered(current);
  });
}

/** A record of the suite, for tests of one adapter beside it. */
export const sinkRecord = (sequence: number, more: unknown = null, key?: string): SinkRecord => ({
  id: `contract/0/${sequence}`,
  sequence,
  key: key ?? `k${sequence % 7}`,
  timeMs: 1_790_000_000_000 + sequence,
  value: { n: sequence, text: `é"'\\ ${sequence} 🙂`, more },
  params: { site: "north" },
});

const records = (first: number, last: number): SinkRecord[] =>
  Array.from({ length: last - first + 1 }, (_, index) => sinkRecord(first + index));

/** A harness with what the tests open. */
class SinkBench {
  readonly harness: SinkHarness;
  readonly #sinks: Sink[] = [];

  constructor(harness: SinkHarness) {
    this.harness = harness;
  }

  open(
    options: Readonly<Record<string, unknown>> = this.harness.options,
    secrets: Readonly<Record<string, string>> = this.harness.secrets,
  ): Sink {
    const { adapter } = this.harness;
    expect(adapter.problems(options)).toEqual([]);
    const context: SinkContext = {
      pipeline: "contract",
      partition: 0,
      output: 0,
      timeoutMs: TIMEOUT_MS,
      secret: (name) => secrets[name],
    };
    const sink = adapter.open({ sink: adapter.kind, options }, context);
    this.#sinks.push(sink);
    return sink;
  }

  write(sink: Sink, list: readonly SinkRecord[], attempt = 1): ReturnType<Sink["write"]> {
    return sink.write({
      pipeline: "contract",
      partition: 0,
      output: 0,
      records: list,
      attempt,
    });
  }

  /** The error with which a write was rejected; its texts hold nothing secret. */
  async failure(writing: Promise<unknown>): Promise<SinkError> {
    const error = await writing.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!(error instanceof SinkError))
      throw new ContractError(`Cannot continue: found ${String(error)}, expected a SinkError`);
    this.expectNoSecret(error);
    return error;
  }

  expectNoSecret(error: unknown): void {
    const told = Bun.inspect(error, { depth: 20 });
    for (const secret of Object.values(this.harness.secrets)) {
      for (const part of [
        secret,
        ...secret.split(/[:/@?&=]/).filter((word) => /secret/i.test(word)),
      ])
        expect(told.includes(part)).toBe(false);
    }
  }

  /** What arrived, once each, in the order of first arrivals. */
  async first(): Promise<Arrived[]> {
    const byId = new Map<string, Arrived>();
    for (const one of await this.harness.read()) if (!byId.has(one.id)) byId.set(one.id, one);
    return [...byId.values()];
  }

  async eventually(check: () => Promise<void>): Promise<void> {
    const untilMs = performance.now() + 10_000;
    for (;;) {
      try {
        return await check();
      } catch (error) {
        if (performance.now() > untilMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()));
    await this.harness.close();
  }
}

const plain = (list: readonly SinkRecord[]): Arrived[] =>
  list.map(({ id, key, value }) => ({ id, key, value }));

/** In order for each key: targets with partitions have no other order. */
function byKey(list: readonly Arrived[]): Record<string, Arrived[]> {
  const found: Record<string, Arrived[]> = {};
  for (const one of list) {
    const known = found[one.key];
    if (known === undefined) found[one.key] = [one];
    else known.push(one);
  }
  return found;
}

function describeWrites(bench: () => SinkBench): void {
  test("a batch is there when write resolves, in order, with the values that were sent", async () => {
    const sink = bench().open();
    const list = [
      ...records(1, 20),
      sinkRecord(21, { deep: [[1.5, -0.25, true], { "": null, __proto: "x" }] }),
      sinkRecord(22, "line\nbreak\u2028\t\u0007"),
    ];
    expect(await bench().write(sink, list)).toBeUndefined();
    expect(byKey(await bench().harness.read())).toEqual(byKey(plain(list)));
  });

  test("batches follow one another, in order", async () => {
    const sink = bench().open();
    for (let first = 1; first <= 41; first += 10)
      await bench().write(sink, records(first, first + 9));
    expect(byKey(await bench().harness.read())).toEqual(byKey(plain(records(1, 50))));
  });

  test("a batch that is repeated adds nothing new", async () => {
    const sink = bench().open();
    await bench().write(sink, records(1, 5));
    await bench().write(sink, records(1, 5), 2);
    await bench().write(bench().open(), records(1, 8), 1);
    const found = await bench().harness.read();
    expect(byKey(await bench().first())).toEqual(byKey(plain(records(1, 8))));
    if (bench().harness.isOnce) expect(found).toHaveLength(8);
  });

  test("five hundred records with a mebibyte of values are one batch", async () => {
    const sink = bench().open();
    const list = Array.from({ length: 500 }, (_, index) =>
      sinkRecord(index + 1, "x".repeat(2_000)),
    );
    expect(await bench().write(sink, list)).toBeUndefined();
    expect(byKey(await bench().harness.read())).toEqual(byKey(plain(list)));
  });

  test("what the target never takes is refused by index, and the others are there in order", async () => {
    const bad = bench().harness.refused;
    if (bad === undefined) return;
    const sink = bench().open();
    const list = records(1, 40);
    const places = bad.map((_, index) => 3 + 11 * index);
    for (const [index, value] of bad.entries()) {
      const at = places[index] ?? 0;
      list[at] = { ...sinkRecord(at + 1), value };
    }
    const answer = await bench().write(sink, list);
    expect(answer?.refused.map(({ index }) => index).sort((a, b) => a - b)).toEqual(places);
    for (const { reason } of answer?.refused ?? []) expect(reason.length).toBeGreaterThan(3);
    bench().expectNoSecret(answer);
    const good = list.filter((_, index) => !places.includes(index));
    expect(byKey(await bench().first())).toEqual(byKey(plain(good)));
  });
}

const PASSING = ["unavailable", "timeout", "busy"];

function describeTrouble(bench: () => SinkBench): void {
  test("opening waits for nothing; a target that is away is an error in time, and the same sink goes on later", async () => {
    const { power } = bench().harness;
    if (power === undefined) return;
    await power.off();
    const sink = bench().open();
    const began = performance.now();
    expect(PASSING).toContain((await bench().failure(bench().write(sink, records(1, 3)))).code);
    expect(performance.now() - began).toBeLessThan(2 * TIMEOUT_MS);
    await power.on();
    await bench().eventually(async () => {
      await bench().write(sink, records(1, 3), 2);
    });
    expect(byKey(await bench().first())).toEqual(byKey(plain(records(1, 3))));
  });

  test("a target that dies in the middle: what is repeated is there in order, and nothing is lost", async () => {
    const { power } = bench().harness;
    if (power === undefined) return;
    const sink = bench().open();
    let next = 1;
    for (let round = 0; round < 3; round++) {
      await bench().eventually(
        async () => void (await bench().write(sink, records(next, next + 4))),
      );
      next += 5;
      const list = records(next, next + 199);
      const writing = bench()
        .write(sink, list)
        .catch((error: unknown) => error);
      await power.off();
      const outcome = await writing;
      if (outcome !== undefined) expect(outcome).toBeInstanceOf(SinkError);
      await power.on();
      await bench().eventually(async () => void (await bench().write(sink, list, 2)));
      next += 200;
    }
    const found = await bench().first();
    expect(byKey(found)).toEqual(byKey(plain(records(1, next - 1))));
  });

  test("a target that is silent: write settles in time, and is repeated later", async () => {
    const { freeze } = bench().harness;
    if (freeze === undefined) return;
    const sink = bench().open();
    await bench().write(sink, records(1, 3));
    freeze.on();
    try {
      const began = performance.now();
      const error = await bench().failure(bench().write(sink, records(4, 6)));
      expect(PASSING).toContain(error.code);
      expect(performance.now() - began).toBeLessThan(2 * TIMEOUT_MS);
    } finally {
      freeze.off();
    }
    await bench().eventually(async () => void (await bench().write(sink, records(4, 6), 2)));
    await bench().write(sink, records(7, 9));
    expect(byKey(await bench().first())).toEqual(byKey(plain(records(1, 9))));
  });

  test("closing twice is harmless, also while a write runs", async () => {
    const sink = bench().open();
    await bench().write(sink, records(1, 1));
    const writing = bench()
      .write(sink, records(2, 100))
      .catch((error: unknown) => error);
    await Promise.all([sink.close(), sink.close()]);
    const outcome = await writing;
    if (outcome !== undefined) expect(outcome).toBeInstanceOf(SinkError);
    await bench().open().close();
  });
}

function describeOptions(bench: () => SinkBench): void {
  test("options that are wrong are named, without their values", () => {
    const { adapter, options, wrong } = bench().harness;
    expect(adapter.problems(options)).toEqual([]);
    const junk = { ...options, noSuchOption: "a secret that is misplaced" };
    for (const one of [junk, ...wrong]) {
      const problems = adapter.problems(one);
      expect(problems.length).toBeGreaterThan(0);
      for (const problem of problems) {
        expect(problem).toStartWith(`Cannot use sink ${adapter.kind}: found `);
        expect(problem).not.toContain("a secret");
      }
    }
  });

  test("strangers are refused, and errors hold no secret", async () => {
    const { strangers = [], options, secrets } = bench().harness;
    for (const stranger of strangers) {
      const sink = bench().open(stranger.options ?? options, { ...secrets, ...stranger.secrets });
      const error = await bench().failure(bench().write(sink, records(1, 1)));
      expect([stranger.what, error.code]).toEqual([stranger.what, "refused"]);
      await sink.close();
    }
  });

  test("a variable that is not set is told by its name", async () => {
    const { options, secrets } = bench().harness;
    for (const name of Object.keys(secrets)) {
      const left = Object.fromEntries(Object.entries(secrets).filter(([one]) => one !== name));
      const sink = bench().open(options, left);
      const error = await bench().failure(bench().write(sink, records(1, 1)));
      expect(error.code).toBe("refused");
      expect(error.message).toContain(name);
    }
  });
}

function describeDelivered(bench: () => SinkBench): void {
  test("through a delivery, with a target that comes and goes, every record is there in order", async () => {
    const { power } = bench().harness;
    const random = createSeededRandom("sink contract");
    const dead: number[] = [];
    let deliveredTo = 0;
    const delivery = new SinkDelivery({
      pipeline: "contract",
      partition: 0,
      output: 0,
      open: () => bench().open(),
      breaker: new SinkBreaker(random, { backoffMs: 10, backoffMsMax: 100 }),
      clock: realClock,
      batching: { recordsMax: 50, waitMs: 5 },
      limits: { queuedRecordsMax: 100, timeoutMs: TIMEOUT_MS },
      delivered: (sequence) => {
        deliveredTo = sequence;
      },
      refused: ({ sequence }) => dead.push(sequence),
      failed: (error) => bench().expectNoSecret(error),
      onBug: (error) => {
        throw error;
      },
    });
    let next = 1;
    for (let step = 0; step < 300; step++) {
      for (let count = Math.floor(random.next() * 8); count > 0 && !delivery.isFull; count--)
        delivery.push(sinkRecord(next++));
      if (step % 100 === 50) await power?.off();
      if (step % 100 === 80) await power?.on();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(await delivery.close(30_000)).toBe(true);
    expect([deliveredTo, dead]).toEqual([next - 1, []]);
    expect(byKey(await bench().first())).toEqual(byKey(plain(records(1, next - 1))));
  });
}
