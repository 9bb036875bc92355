// Owns: the property of taps, over the simulation's broker with its faults: every publication after
// the cursor is handed over at least once and in order, or a gap is declared; memory is bounded.
import { drainMicrotasks } from "bun:jsc";
import { expect, setDefaultTimeout, test } from "bun:test";
import {
  type BatchLimits,
  createSeededRandom,
  type SeededRandom,
  type Tap,
  type TapBatch,
  type TapConsumer,
} from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import { patience } from "../../../../test/patience.ts";
import { TEST_SETTINGS } from "../engine-harness.ts";
import { BrokerTruth } from "./broker-truth.ts";
import { payloadText } from "./data.ts";
import { EventLoop, type SimProcess } from "./event-loop.ts";
import { HEARD_WITHIN_MS, isLongRemoved, type RemovalView } from "./removal-oracle.ts";
import { SimBroker } from "./sim-broker.ts";
import { SimNode } from "./sim-node.ts";
import { Trace } from "./trace.ts";

setDefaultTimeout(patience(60_000));

const CHANNEL = "log:a";
const STREAM = { cls: "ordered", sizeMax: 100_000, ttlMs: 3_600_000 } as const;
const SEEDS = 60;
const ACTIVE_MS = 20_000;
const HEALED_MS = 60_000;
const LIMITS: BatchLimits = {
  batchBytesMax: 2000,
  batchWaitMs: 30,
  bufferBytesMax: 8000,
  handleMsMax: 800,
};
/** The longest that the broker's feed takes here, if it is not lost on the way. */
const HEARS_WITHIN_MS = 300;
/** The largest publication of a run, as a tap counts it. */
const EVENT_BYTES_MAX = 2000;
const HELD_BYTES_MAX = LIMITS.bufferBytesMax + TEST_SETTINGS.flow.chunkBytes + EVENT_BYTES_MAX;

/**
 * Checks what a tap hands over against the rule; positions of a batch count when it is done. What
 * was removed may be handed over no more once the node must have heard of it.
 */
class TapOracle {
  readonly broken: string[] = [];
  readonly gaps: string[] = [];
  kept: Position;
  publications = 0;

  constructor(start: Position) {
    this.kept = start;
  }

  handed({ events }: TapBatch, view: RemovalView): void {
    for (const { kind, position } of events)
      if (kind === "publication" && isLongRemoved(CHANNEL, position, view))
        this.broken.push(`${position.epoch}/${position.offset} was removed and handed over`);
  }

  done({ events, next }: TapBatch, truth: BrokerTruth): void {
    for (const event of events) {
      const { epoch, offset } = this.kept;
      if (event.kind === "gap") {
        this.gaps.push(event.reason);
        if (event.from !== offset + 1)
          this.broken.push(`a gap from ${event.from} after ${offset}: what lies between?`);
        if (event.reason !== "epoch" && event.position.epoch !== epoch)
          this.broken.push(`a gap in another epoch for ${event.reason}`);
      } else {
        this.publications += 1;
        if (event.position.epoch !== epoch || event.position.offset !== offset + 1)
          this.broken.push(
            `${event.position.epoch}/${event.position.offset} after ${epoch}/${offset}`,
          );
        const taken = truth.life(CHANNEL, event.position.epoch)?.publications;
        const was = taken?.[event.position.offset - 1]?.text;
        if (was !== payloadText(event.entry.data))
          this.broken.push(`other data at ${event.position.offset}`);
      }
      this.kept = event.position;
    }
    if (JSON.stringify(next) !== JSON.stringify(this.kept))
      this.broken.push(`the batch says ${next.offset}, its last event ${this.kept.offset}`);
  }
}

/** Slow, failing and late at random until it is healed. */
function consumerOf(
  random: SeededRandom,
  process: SimProcess,
  isHealed: () => boolean,
): TapConsumer {
  return {
    handle: () =>
      new Promise((resolve, reject) => {
        const fate = isHealed() ? 1 : random.next();
        // Never answers: the next attempt comes when this one is late.
        if (fate < 0.04) return;
        const delayMs = isHealed() ? 1 : random.int(random.next() < 0.1 ? 700 : 60);
        process.at(delayMs, () =>
          fate < 0.12 ? reject(new Error("the consumer's own trouble")) : resolve(),
        );
      }),
  };
}

function runSeed(seed: number) {
  const random = createSeededRandom(seed);
  const loop = new EventLoop({ settle: drainMicrotasks });
  const truth = new BrokerTruth(new Trace({ keep: 50, now: () => loop.nowMs }), () => loop.nowMs);
  const faults = {
    latencyMs: 2,
    jitterMs: 6,
    failBefore: 0.01,
    failAfter: 0.01,
    feedApart: seed % 2 === 0,
    timeoutMs: 500,
  };
  const losesData = seed % 3 === 0;
  const removes = seed % 4 === 1;
  const limits = { firstLeaseMs: 60_000 };
  const broker = new SimBroker({ loop, random: random.fork("broker"), truth, faults, limits });
  const bugs: unknown[] = [];
  const process = loop.process("n");
  const view = broker.connect("n", process);
  const node = new SimNode({
    settings: { ...TEST_SETTINGS, nodeId: "n" },
    contract: { channels: { "log:{x}": { history: { size: 100_000, ttlMs: 3_600_000 } } } },
    process,
    view,
    broker: view,
    random: random.fork("n"),
    verifyMs: 1,
    wrapAuthenticator: (authenticator) => authenticator,
    bug: (_where, error) => bugs.push(error),
    sending: (_client, message) => message,
  });
  node.start(() => {});
  const writer = loop.process("writer");
  const writing = broker.connect("writer", writer);
  let healed = false;
  let oracle: TapOracle | undefined;
  let tap: Tap | undefined;
  let heldMax = 0;
  const open = (from: Position): void => {
    oracle ??= new TapOracle(from);
    const mine = oracle;
    const consumer = consumerOf(random.fork("consumer"), process, () => healed);
    const result = node.engine.tap(CHANNEL, {
      ...LIMITS,
      from,
      consumer: {
        async handle(batch) {
          const hearsSinceMs = Math.max(view.reachedMs, broker.disturbedUntilMs, stalledUntilMs);
          const told = view.reachedMs < (truth.current(CHANNEL)?.removedMs ?? 0);
          const withinMs = told ? HEARS_WITHIN_MS : HEARD_WITHIN_MS;
          mine.handed(batch, { truth, nowMs: loop.nowMs, hearsSinceMs, withinMs });
          await consumer.handle(batch);
          // The answer of an attempt that was late, or of a tap that was closed, moves nothing.
          if (tap === opened && isAhead(batch, mine.kept)) mine.done(batch, truth);
        },
      },
    });
    if (!result.ok) throw new Error(result.message);
    const opened = result.value;
    tap = opened;
  };
  const publish = (): void => {
    const text = JSON.stringify("x".repeat(random.int(EVENT_BYTES_MAX - 400)));
    void writing.publish(CHANNEL, STREAM, { payload: { kind: "json", text } }).then(
      ({ position }) => {
        if (oracle === undefined) open({ epoch: position.epoch, offset: 0 });
      },
      () => {},
    );
  };
  let stalledUntilMs = 0;
  let removals = 0;
  const fate = loop.process("fate");
  const strike = (): void => {
    if (loop.nowMs > ACTIVE_MS) return;
    const what = random.next();
    if (what < 0.6) for (let i = random.int(12); i >= 0; i--) publish();
    else if (what < 0.68) view.holes += 1 + random.int(3);
    else if (what < 0.74) {
      view.cut();
      view.reconnectAfter(random.int(1500));
    } else if (what < 0.75 && losesData) broker.loseData(random.int(400));
    else if (what < 0.8) {
      const forMs = random.int(600);
      stalledUntilMs = Math.max(stalledUntilMs, loop.nowMs) + forMs;
      process.stall(forMs);
    } else if (what < 0.81 && removes)
      void writing.removeHistory(CHANNEL, STREAM).then(
        () => {
          removals += 1;
        },
        () => {},
      );
    else if (what < 0.84 && tap !== undefined && oracle !== undefined) {
      tap.close();
      open(oracle.kept);
    }
    fate.at(random.int(120), strike);
  };
  fate.at(10, strike);
  const after = (): boolean => {
    heldMax = Math.max(heldMax, tap?.bufferedBytes ?? 0);
    return true;
  };
  loop.run(ACTIVE_MS, { after });
  healed = true;
  Object.assign(faults, { failBefore: 0, failAfter: 0 });
  view.holes = 0;
  loop.run(ACTIVE_MS + HEALED_MS, { after });
  const life = truth.current(CHANNEL);
  const head = life?.publications.length ?? 0;
  return { oracle, heldMax, bugs, losesData, removals, head, life };
}

const isAhead = ({ next }: TapBatch, kept: Position): boolean =>
  next.epoch !== kept.epoch || next.offset > kept.offset;

test("whatever befalls broker, node and consumer, nothing behind the cursor is passed over in silence", () => {
  let publications = 0;
  let epochs = 0;
  let removed = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { oracle, heldMax, bugs, losesData, removals, head, life } = runSeed(seed);
    expect({ seed, broken: oracle?.broken, bugs }).toEqual({ seed, broken: [], bugs: [] });
    // Whoever keeps everything has no reason for a gap but a stream that began anew, or a removal.
    const reasons = [...(losesData ? ["epoch"] : []), ...(removals > 0 ? ["history"] : [])];
    expect({ seed, gaps: oracle?.gaps.filter((why) => !reasons.includes(why)) }).toEqual({
      seed,
      gaps: [],
    });
    removed += removals;
    expect(heldMax).toBeLessThanOrEqual(HELD_BYTES_MAX);
    // Progress: once everything is well the tap reaches the head.
    if (life !== undefined)
      expect({ seed, ...oracle?.kept }).toEqual({ seed, epoch: life.epoch, offset: head });
    publications += oracle?.publications ?? 0;
    epochs += oracle?.gaps.length ?? 0;
  }
  expect(publications).toBeGreaterThan(SEEDS * 100);
  expect(epochs).toBeGreaterThan(0);
  expect(removed).toBeGreaterThan(0);
});
