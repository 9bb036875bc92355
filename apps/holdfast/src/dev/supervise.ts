// Owns: the node processes of `holdfast dev`: it carries out the plan's decisions and tells the
// plan what happens.
import type { AppEvents } from "../events.ts";
import type { Host, ToSupervisor } from "../host.ts";
import { type ChildProcess, startChild } from "./child.ts";
import type { DevEffect, DevEvent, Place, Plan } from "./plan.ts";

/** The place of a node that is alone. */
const ONE: Place = { slot: 0, life: 1, revision: 1 };
/** How long nodes may take to end on Ctrl-C. */
const END_MS = 2000;

/** Ports that a node listens on. */
export interface NodePorts {
  readonly port: number;
  readonly internalPort: number;
}

/** How clients reach the node processes. */
export interface Grounds {
  /** Arguments of the process that is to start, once for each. */
  argumentsOf(child: number, place: Place): readonly string[];
  /** The node listens. Resolves when newcomers can reach it; rejects if they cannot in time. */
  admit(child: number, ports: NodePorts): Promise<void>;
  /** The node's name, if it is known here. */
  nameOf(child: number): string | undefined;
  /** The process is gone. */
  gone(child: number): void;
}

export interface SuperviseOptions {
  readonly host: Host;
  readonly events: AppEvents;
  readonly plan: Plan;
  readonly grounds: Grounds;
  /** Additional environment of node processes. */
  readonly env: Readonly<Record<string, string>>;
  /** How long a node may take to move its clients away. */
  readonly retireMs: number;
  /** Shown to people. */
  readonly contractFile: string;
  /** The text if a new node cannot start while an old one serves. */
  readonly keptWhy: string;
  /** Called once, when the first node is ready, or all of a fleet. */
  readonly onFirst: () => void;
}

export interface Supervision {
  restart(why: string): void;
  stop(): void;
  killAll(): void;
  /** True if it was stopped, false if too many nodes failed. */
  readonly ended: Promise<boolean>;
}

/** Carries out the plan's first effects at once. */
export function superviseNodes(options: SuperviseOptions): Supervision {
  return new Supervisor(options);
}

class Supervisor implements Supervision {
  readonly ended: Promise<boolean>;
  readonly #options: SuperviseOptions;
  readonly #children = new Map<number, ChildProcess>();
  #resolve: (ok: boolean) => void = () => {};
  #timer: ReturnType<typeof setTimeout> | undefined;
  #servedBefore = false;
  /** Since when nodes of a fleet serve. */
  readonly #joinedAtMs = new Map<number, number>();
  #askedAtMs = performance.now();

  constructor(options: SuperviseOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#carryOut(options.plan.begin());
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
    this.#carryOut(this.#options.plan.handle(event));
  }

  #carryOut(effects: readonly DevEffect[]): void {
    for (const effect of effects) this.#do(effect);
  }

  #do(effect: DevEffect): void {
    const { events, retireMs, contractFile, keptWhy } = this.#options;
    switch (effect.kind) {
      case "start":
        return this.#start(effect.child, effect.place ?? ONE);
      case "joined":
        this.#joinedAtMs.set(effect.child, performance.now());
        return;
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
        return events.nodeKept({ why: keptWhy });
      case "idle":
        return events.waitingForContract({ file: contractFile });
      case "died":
        return this.#died(effect);
      case "end-all":
        for (const child of this.#children.values()) child.end(END_MS);
        return;
      case "finish":
        clearTimeout(this.#timer);
        this.killAll();
        return this.#resolve(effect.ok);
    }
  }

  #died({ status, child }: Extract<DevEffect, { kind: "died" }>): void {
    const node = child === undefined ? undefined : this.#options.grounds.nameOf(child);
    this.#options.events.nodeDied({ status, ...(node === undefined ? {} : { node }) });
  }

  #serving(): void {
    if (this.#servedBefore)
      this.#options.events.restarted({ tookMs: Math.round(performance.now() - this.#askedAtMs) });
    else this.#options.onFirst();
    this.#servedBefore = true;
  }

  #start(id: number, place: Place): void {
    const { host, grounds, env } = this.#options;
    const child = startChild({
      host,
      args: grounds.argumentsOf(id, place),
      env,
      onMessage: (message) => this.#heard(id, message),
      onExit: (status) => {
        this.#children.delete(id);
        const joinedAtMs = this.#joinedAtMs.get(id);
        this.#joinedAtMs.delete(id);
        const served = joinedAtMs === undefined ? {} : { servedMs: performance.now() - joinedAtMs };
        this.#tell({ kind: "exited", child: id, status, ...served });
        grounds.gone(id);
      },
    });
    this.#children.set(id, child);
  }

  /** A node that reports ready but cannot be reached is not useful. */
  async #admit(id: number, ports: NodePorts): Promise<void> {
    try {
      await this.#options.grounds.admit(id, ports);
      this.#tell({ kind: "ready", child: id });
    } catch {
      if (!this.#children.has(id)) return;
      this.#options.events.nodeKilled({ why: "it says that it is ready and does not answer so" });
      this.#children.get(id)?.kill();
    }
  }

  #heard(id: number, message: ToSupervisor): void {
    switch (message.kind) {
      case "ready":
        return void this.#admit(id, message);
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
