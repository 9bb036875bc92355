// Owns: opening the ways into sinks. Partitions that write to one target share its breaker.
import { BREAKER_LIMITS, SinkBreaker } from "../delivery/breaker.ts";
import { DELIVERY_LIMITS, SinkDelivery } from "../delivery/delivery.ts";
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

export class Deliveries {
  readonly #ports: RunnerPorts;
  readonly #breakers = new Map<string, SinkBreaker>();

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
  }

  open(output: Output, { pipeline, partition, index, tell }: DeliveryOf): DeliveryPort {
    const { clock, random, adapters, observer, secret } = this.#ports;
    const { sink } = output;
    const adapter = adapters.find(({ kind }) => kind === sink.sink);
    let breaker = this.#breakers.get(output.id);
    if (breaker === undefined) {
      breaker = new SinkBreaker(random, BREAKER_LIMITS);
      this.#breakers.set(output.id, breaker);
    }
    const { timeoutMs } = DELIVERY_LIMITS;
    const context = { pipeline, partition, output: index, timeoutMs, secret };
    return new SinkDelivery({
      pipeline,
      partition,
      output: index,
      open: () => {
        if (adapter === undefined)
          throw new PipelineError("definition", `There is no sink "${sink.sink}"`);
        return adapter.open(sink, context);
      },
      breaker,
      clock,
      batching: sink.batching,
      delivered: (sequence) => tell.confirm(sequence),
      refused: (record, reason) => tell.refuse(record, reason),
      failed: ({ code, message }) =>
        observer.sinkFailed(pipeline, partition, sink.sink, `${code}: ${message}`),
      onBug: (error) => observer.bug(`sink ${sink.sink}`, error),
    });
  }
}
