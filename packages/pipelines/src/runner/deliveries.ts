// Owns: opening the ways into sinks, and what they have done. Partitions that write to one target
// share its breaker.
import { BREAKER_LIMITS, type BreakerState, SinkBreaker } from "../delivery/breaker.ts";
import { DELIVERY_LIMITS, type DeliveryFigures, SinkDelivery } from "../delivery/delivery.ts";
import type { Output } from "../engine/compile.ts";
import type { DeliveryPort } from "../partition/outboxes.ts";
import type { PartitionOptions } from "../partition/partition-options.ts";
import { PipelineError } from "../pipeline-error.ts";
import type { RunnerPorts } from "./ports.ts";

/** Whose records a delivery takes, and who is told. */
export interface DeliveryOf {
  readonly pipeline: string;
  readonly partition: number;
  readonly index: number;
  readonly tell: Parameters<PartitionOptions["deliver"]>[2];
}

/** One output of a pipeline, on this node: all its partitions, since the node started. */
export interface SinkFigures extends Omit<DeliveryFigures, "attempt"> {
  readonly pipeline: string;
  /** Which of the pipeline's outputs, from 0. */
  readonly output: number;
  readonly of: Output["of"];
  readonly sink: string;
  readonly breaker: BreakerState;
}

interface Opened {
  readonly pipeline: string;
  readonly output: Output;
  readonly index: number;
  readonly breaker: SinkBreaker;
  readonly deliveries: Set<SinkDelivery>;
  /** What those did that are closed. */
  before: Counts;
}

type Counts = Pick<
  DeliveryFigures,
  "delivered" | "deliveredBytes" | "batches" | "refused" | "failures"
>;

const NOTHING: Counts = { delivered: 0, deliveredBytes: 0, batches: 0, refused: 0, failures: 0 };

export class Deliveries {
  readonly #ports: RunnerPorts;
  readonly #breakers = new Map<string, SinkBreaker>();
  readonly #opened = new Map<string, Opened>();

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  open(output: Output, { pipeline, partition, index, tell }: DeliveryOf): DeliveryPort {
    const { clock, adapters, observer, secret } = this.#ports;
    const { sink } = output;
    const adapter = adapters.find(({ kind }) => kind === sink.sink);
    const opened = this.#openedOf(pipeline, output, index);
    const { timeoutMs } = DELIVERY_LIMITS;
    const context = { pipeline, partition, output: index, timeoutMs, secret };
    const delivery = new SinkDelivery({
      pipeline,
      partition,
      output: index,
      open: () => {
        if (adapter === undefined)
          throw new PipelineError("definition", `There is no sink "${sink.sink}"`);
        return adapter.open(sink, context);
      },
      breaker: opened.breaker,
      clock,
      batching: sink.batching,
      delivered: (sequence) => tell.confirm(sequence),
      refused: (record, reason) => tell.refuse(record, reason),
      failed: ({ code, message }) =>
        observer.sinkFailed(pipeline, partition, sink.sink, `${code}: ${message}`),
      closed: (figures) => {
        if (opened.deliveries.delete(delivery)) opened.before = sumOf(opened.before, figures);
      },
      onBug: (error) => observer.bug(`sink ${sink.sink}`, error),
    });
    opened.deliveries.add(delivery);
    const { seen } = this.#ports;
    if (seen === undefined) return delivery;
    return {
      get isFull() {
        return delivery.isFull;
      },
      push(record) {
        seen({ pipeline, partition, of: output.of, record });
        delivery.push(record);
      },
      flush: (withinMs) => delivery.flush(withinMs),
      close: (withinMs) => delivery.close(withinMs),
    };
  }

  figures(): readonly SinkFigures[] {
    return [...this.#opened.values()].map((opened) => {
      let counts = opened.before;
      const waiting = { queued: 0, queuedBytes: 0, inFlightBytes: 0, oldestMs: 0 };
      let lastError: SinkFigures["lastError"];
      for (const { figures } of opened.deliveries) {
        counts = sumOf(counts, figures);
        waiting.queued += figures.queued;
        waiting.queuedBytes += figures.queuedBytes;
        waiting.inFlightBytes += figures.inFlightBytes;
        waiting.oldestMs = Math.max(waiting.oldestMs, figures.oldestMs);
        lastError ??= figures.lastError;
      }
      const { pipeline, index: output, breaker } = opened;
      const { of, sink } = opened.output;
      const named = { pipeline, output, of, sink: sink.sink, breaker: breaker.state };
      return { ...named, ...counts, ...waiting, lastError };
    });
  }

  #openedOf(pipeline: string, output: Output, index: number): Opened {
    let breaker = this.#breakers.get(output.id);
    if (breaker === undefined) {
      breaker = new SinkBreaker(this.#ports.random, BREAKER_LIMITS);
      this.#breakers.set(output.id, breaker);
    }
    const key = `${pipeline} ${index}`;
    let opened = this.#opened.get(key);
    if (opened === undefined) {
      const deliveries = new Set<SinkDelivery>();
      opened = { pipeline, output, index, breaker, deliveries, before: NOTHING };
      this.#opened.set(key, opened);
    }
    return opened;
  }
}

const sumOf = (one: Counts, other: Counts): Counts => ({
  delivered: one.delivered + other.delivered,
  deliveredBytes: one.deliveredBytes + other.deliveredBytes,
  batches: one.batches + other.batches,
  refused: one.refused + other.refused,
  failures: one.failures + other.failures,
});
