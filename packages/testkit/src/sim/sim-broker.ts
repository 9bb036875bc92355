// Owns: the broker of a run: a memory broker that nodes reach through a simulated network, and that
// can lose everything.

import type { SeededRandom } from "@holdfast/core";
import { createMemoryBroker, type MemoryBroker, type MemoryBrokerLimits } from "@holdfast/core";
import type { BrokerTruth } from "./broker-truth.ts";
import { type BrokerFaults, FaultyView } from "./broker-view.ts";
import type { EventLoop, SimProcess } from "./event-loop.ts";

/** The broker of a run and the views that nodes have of it. What it took is written to `truth`. */
export class SimBroker {
  readonly faults: BrokerFaults;
  readonly truth: BrokerTruth;
  /** Until then calls fail or are slow, on purpose. */
  disturbedUntilMs = 0;
  readonly #loop: EventLoop;
  readonly #random: SeededRandom;
  readonly #process: SimProcess;
  readonly #limits: Partial<MemoryBrokerLimits>;
  readonly #views = new Set<FaultyView>();
  #core: MemoryBroker;
  #lives = 0;

  constructor(options: {
    readonly loop: EventLoop;
    readonly random: SeededRandom;
    readonly truth: BrokerTruth;
    readonly faults: BrokerFaults;
    readonly limits: Partial<MemoryBrokerLimits>;
  }) {
    this.#loop = options.loop;
    this.#random = options.random;
    this.truth = options.truth;
    this.faults = options.faults;
    this.#limits = options.limits;
    this.#process = options.loop.process("broker");
    this.#core = this.#start();
  }

  /** A node's view; it ends with `close` or the node's process. */
  connect(nodeId: string, process: SimProcess): FaultyView {
    const view: FaultyView = new FaultyView({
      nodeId,
      process,
      broker: this.#process,
      loop: this.#loop,
      random: this.#random.fork(nodeId),
      faults: this.faults,
      truth: this.truth,
      connect: () => this.#core.connect(nodeId),
      ended: () => this.#views.delete(view),
    });
    this.#views.add(view);
    return view;
  }

  /**
   * Everything that the broker kept is gone: streams begin anew, members and idempotency keys are
   * forgotten. Nodes lose their connections for `downMs`.
   */
  loseData(downMs: number): void {
    this.#core.close();
    this.#core = this.#start();
    this.truth.lost();
    for (const view of this.#views) {
      view.cut();
      view.reconnectAfter(downMs);
    }
  }

  figures(): ReturnType<MemoryBroker["figures"]> {
    return this.#core.figures();
  }

  #start(): MemoryBroker {
    this.#lives += 1;
    return createMemoryBroker({
      clock: this.#process.clock,
      random: this.#random.fork(`life ${this.#lives}`),
      limits: this.#limits,
    });
  }
}
