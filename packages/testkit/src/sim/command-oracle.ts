// Owns: giving commands of a back end about clients, at the worst moment: while they move. And
// judging that each is carried out on the session wherever it is, or its giver is told otherwise.

import type { Cluster } from "./cluster.ts";
import type { CommandPlan } from "./command-plan.ts";
import type { SimProcess } from "./event-loop.ts";
import type { FaultPlan } from "./faults.ts";
import type { SimClient } from "./sim-client.ts";
import type { Trace } from "./trace.ts";
import type { Verdict } from "./verdict.ts";

/** By then every node has heard of it that hears the broker, and the client has been told. */
const CARRIED_OUT_MS = 15_000;
const GOODBYES = { kicked: "disconnected", banned: "banned", unsubscribed: "" } as const;
const EXPECTED: ReadonlySet<string> = new Set(["broker_unavailable", "request_failed"]);

interface CommandNeeds {
  readonly plan: Pick<FaultPlan, "commands" | "profile">;
  readonly clients: readonly SimClient[];
  readonly cluster: Cluster;
  readonly fate: SimProcess;
  readonly verdict: Verdict;
  readonly trace: Trace;
}

/** What the client was when the command was given. */
interface Given {
  readonly plan: CommandPlan;
  readonly client: SimClient;
  readonly connected: boolean;
  readonly reconnects: number;
  readonly subscribed: boolean;
  readonly endings: number;
  readonly goodbyes: number;
  readonly stalledMs: number;
}

export class CommandOracle {
  readonly #world: CommandNeeds;
  #plans: readonly CommandPlan[];
  #waiting = 0;
  /** Clients that were to be disconnected a moment ago: one goodbye may stand for two commands. */
  readonly #ending = new Set<SimClient>();

  constructor(world: CommandNeeds) {
    this.#world = world;
    this.#plans = world.plan.commands;
  }

  /** A client was asked to move. */
  noticed(name: string): void {
    const { clients, fate } = this.#world;
    const due = this.#plans.filter(({ client }) => clients[client]?.plan.name === name);
    this.#plans = this.#plans.filter((plan) => !due.includes(plan));
    for (const plan of due) fate.at(plan.afterMs, () => this.#give(plan));
  }

  /** A command whose giver still waits. */
  missing(): string | undefined {
    return this.#waiting > 0 ? `${this.#waiting} commands have no answer` : undefined;
  }

  #give(plan: CommandPlan): void {
    const { clients, cluster, trace, fate, verdict } = this.#world;
    const client = clients[plan.client];
    const nodes = cluster.nodes().filter(({ engine }) => engine.state !== "starting");
    const node = nodes[plan.by % nodes.length];
    if (client === undefined || node === undefined || client.left) return;
    const { what, channel, namesSession } = plan;
    const named = namesSession && client.session !== undefined;
    const who = named ? { session: client.session as string } : { user: client.plan.name };
    trace.add(node.name, "is told", `${client.plan.name} ${what} ${channel}`);
    const given = this.#given(plan, client);
    if (what === "unsubscribed") client.mayLose.add(channel);
    if (what === "banned") client.mayBeBanned = true;
    const outcome =
      what === "unsubscribed"
        ? node.engine.unsubscribe(who, channel)
        : node.engine.disconnect(who, { reconnect: what === "kicked" });
    this.#waiting += 1;
    // The process that would answer may be killed.
    fate.at(CARRIED_OUT_MS, () => {
      if (!node.process.alive) this.#waiting = Math.max(0, this.#waiting - 1);
    });
    void outcome.then((told) => {
      this.#waiting = Math.max(0, this.#waiting - 1);
      if (told.ok) this.#judgeLater(given);
      else if (!EXPECTED.has(told.code))
        verdict.broken("orders", `${node.name} answered ${told.code} to a command`);
    });
  }

  #judgeLater(given: Given): void {
    const { fate } = this.#world;
    const { client, plan } = given;
    if (plan.what === "unsubscribed") {
      fate.at(CARRIED_OUT_MS, () => this.#judge(given));
      return;
    }
    if (this.#ending.has(client)) return;
    this.#ending.add(client);
    fate.at(CARRIED_OUT_MS, () => {
      this.#ending.delete(client);
      this.#judge(given);
    });
  }

  #given(plan: CommandPlan, client: SimClient): Given {
    const { connected, stats } = client;
    return {
      plan,
      client,
      connected,
      reconnects: stats.reconnects,
      subscribed: client.isSubscribed(plan.channel),
      endings: client.endingsOf(plan.channel),
      goodbyes: client.goodbyesOf(GOODBYES[plan.what]),
      stalledMs: this.#stalledMs(),
    };
  }

  #stalledMs(): number {
    const { cluster } = this.#world;
    return cluster.nodes().reduce((sum, node) => sum + cluster.stalledMs(node), 0);
  }

  /** Whoever was connected all the time must have noticed. */
  #judge(given: Given): void {
    const { plan, client, connected, reconnects, subscribed, endings, stalledMs } = given;
    const { what, channel } = plan;
    const goodbyes = client.goodbyesOf(GOODBYES[what]) - given.goodbyes;
    const wasBack = client.left || client.stats.reconnects > reconnects;
    const isWhole = connected && client.connected && this.#world.plan.profile !== "chaos";
    if (!isWhole || wasBack || this.#stalledMs() !== stalledMs) return;
    const { verdict } = this.#world;
    const name = client.plan.name;
    if (what !== "unsubscribed") {
      if (goodbyes === 0) verdict.broken("orders", `${name} was ${what} and was told nothing`);
    } else if (subscribed && client.endingsOf(channel) === endings)
      verdict.broken("orders", `${name} is still subscribed to ${channel}, which was ended`);
    else if (client.endingsOf(channel) > endings + 1)
      verdict.broken("orders", `${name} lost ${channel} twice by one command`);
  }
}
