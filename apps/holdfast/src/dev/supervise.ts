// Owns: the node processes of `holdfast dev`: carries out what the plan decides and tells it what happens.
import type { AppEvents } from "../events.ts";
import type { Host, ToSupervisor } from "../host.ts";
import { type ChildProcess, startChild } from "./child.ts";
import { type DevEffect, type DevEvent, DevPlan } from "./plan.ts";

/** How long nodes may take to end on Ctrl-C. */
const END_MS = 2000;

export interface SuperviseOptions {
  readonly host: Host;
  readonly events: AppEvents;
  /** Arguments and additional environment of node processes. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** How long a node may take to move its clients away. */
  readonly retireMs: number;
  /** Shown to people. */
  readonly contractFile: string;
  /** Called once, when the first node is ready. */
  readonly onFirst: () => void;
}

export interface Supervision {
  restart(why: string): void;
  stop(): void;
  killAll(): void;
  /** True when it was stopped, false when it gave up. */
  readonly ended: Promise<boolean>;
}

/** Starts the first node at once. */
export function superviseNodes(options: SuperviseOptions): Supervision {
  return new Supervisor(options);
}

class Supervisor implements Supervision {
  readonly ended: Promise<boolean>;
  readonly #options: SuperviseOptions;
  readonly #plan = new DevPlan();
  readonly #children = new Map<number, ChildProcess>();
  #resolve: (ok: boolean) => void = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #servedBefore = false;
  #askedAtMs = performance.now();

  constructor(options: SuperviseOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#carryOut(this.#plan.begin());
  }

  restart(why: string): void {
    this.#options.events.restarting({ why });
    this.#askedAtMs = performance.now();
    this.#tell({ kind: "restart" });
  }

  stop(): void {
    this.#tell({ kind: "stop" });
  }

  killAll(): void {
    for (const child of this.#children.values()) child.kill();
  }

  #tell(event: DevEvent): void {
    this.#carryOut(this.#plan.handle(event));
  }

  #carryOut(effects: readonly DevEffect[]): void {
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: DevEffect): void {
    const { events, retireMs, contractFile } = this.#options;
    switch (effect.kind) {
      case "start":
        return this.#start(effect.child);
      case "retire":
        return this.#children.get(effect.child)?.retire(retireMs);
      case "kill":
        events.nodeKilled({ why: "too many nodes are still moving their clients away" });
        return this.#children.get(effect.child)?.kill();
      case "wait":
        this.#timer = setTimeout(() => this.#tell({ kind: "waited" }), effect.ms);
        return;
      case "serving":
        return this.#serving();
      case "kept":
        return events.nodeKept({ why: "the new one cannot start; the old one goes on" });
      case "idle":
        return events.waitingForContract({ file: contractFile });
      case "died":
        return events.nodeDied({ status: effect.status });
      case "end-all":
        for (const child of this.#children.values()) child.end(END_MS);
        return;
      case "finish":
        clearTimeout(this.#timer);
        this.killAll();
        return this.#resolve(effect.ok);
    }
  }

  #serving(): void {
    if (this.#servedBefore) this.#options.events.restarted({ tookMs: Math.round(performance.now() - this.#askedAtMs) });
    else this.#options.onFirst();
    this.#servedBefore = true;
  }

  #start(id: number): void {
    const child = startChild({
      host: this.#options.host,
      args: this.#options.args,
      env: this.#options.env,
      onMessage: (message) => this.#heard(id, message),
      onExit: (status) => {
        this.#children.delete(id);
        this.#tell({ kind: "exited", child: id, status });
      },
    });
    this.#children.set(id, child);
  }

  #heard(id: number, message: ToSupervisor): void {
    switch (message.kind) {
      case "ready":
        return this.#tell({ kind: "ready", child: id });
      case "restart":
        return this.restart("the page asked for it");
      case "refused":
        this.#options.host.err(
          `\nThe ${message.cause === "contract" ? "contract" : "node"} cannot be used:\n${message.problems.map((problem) => `  ${problem}`).join("\n")}\n\n`,
        );
        return this.#tell({ kind: "refused", child: id, fatal: message.cause === "start" });
    }
  }
}
