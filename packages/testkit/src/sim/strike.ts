// Owns: making the faults of a plan happen.
import type { SimConnection } from "./connection.ts";
import type { Fault } from "./faults.ts";
import { HEARD_WITHIN_MS } from "./removal-oracle.ts";
import { probe } from "./removal-probe.ts";
import type { SimClient } from "./sim-client.ts";
import { SIM_CHANNELS } from "./workload.ts";
import { checkRemoval, type World } from "./world.ts";

const TOLD_WITHIN_MS = 300;
const PROBED_AFTER_MS = [HEARD_WITHIN_MS + 100, HEARD_WITHIN_MS + 3000];

export function strike(fault: Fault, world: World): void {
  const { broker, cluster, clients, network, random, trace } = world;
  trace.add("world", fault.kind);
  const client = "client" in fault ? clients[fault.client] : undefined;
  switch (fault.kind) {
    case "cut": {
      const told = (side: "client" | "server") =>
        fault.told === "both" || fault.told === side ? random.int(TOLD_WITHIN_MS) : "never";
      for (const connection of connectionsOf(world, client))
        connection.break({ clientMs: told("client"), serverMs: told("server") });
      return;
    }
    case "slow-reader":
      for (const connection of connectionsOf(world, client))
        connection.stall(connection.server, fault.forMs);
      return;
    case "slow-writer":
      for (const connection of connectionsOf(world, client))
        connection.stall(connection.client, fault.forMs);
      return;
    case "client-sleeps":
      client?.process.stall(fault.forMs);
      for (const connection of connectionsOf(world, client))
        connection.break({ clientMs: fault.forMs, serverMs: "never" });
      return;
    case "weather":
      return during(world, fault.forMs, network.settings, {
        latencyMs: fault.latencyMs,
        jitterMs: fault.jitterMs,
      });
    case "node-killed":
      return cluster.kill(fault.slot, fault.how, fault.backAfterMs);
    case "node-stopped":
      return cluster.stop(fault.slot, fault.windowMs, fault.backAfterMs);
    case "node-drained":
      return cluster.drain(fault.slot, fault.windowMs, fault.undrainAfterMs);
    case "sheds":
      return cluster.shed(fault);
    case "node-stalls":
      return cluster.stall(fault.slot, fault.forMs);
    case "clock-jumps":
      if (fault.who === "node") cluster.jumpClock(fault.index, fault.byMs);
      else clients[fault.index % clients.length]?.process.jumpWall(fault.byMs);
      return;
    case "broker-errors":
      disturb(world, fault.forMs);
      return during(world, fault.forMs, broker.faults, {
        failBefore: fault.before,
        failAfter: fault.after,
      });
    case "broker-slow":
      disturb(world, fault.forMs);
      return during(world, fault.forMs, broker.faults, { latencyMs: fault.latencyMs });
    case "broker-cut":
      return cluster.cutBroker(fault.slot, fault.forMs);
    case "broker-hole":
      return cluster.loseOnTheWay(fault.slot, fault.count);
    case "broker-lost":
      return broker.loseData(fault.downMs);
    case "history-removed": {
      const channel = SIM_CHANNELS[fault.channel % SIM_CHANNELS.length];
      if (channel !== undefined) removeHistory(world, channel.name);
      return;
    }
    case "unsubscribed": {
      const channel = SIM_CHANNELS[fault.channel % SIM_CHANNELS.length];
      if (client === undefined || channel === undefined) return;
      client.mayLose.add(channel.name);
      void cluster.nodes()[0]?.engine.unsubscribe({ user: client.plan.name }, channel.name);
      return;
    }
    case "ordered":
      return cluster.order(fault);
    case "kicked":
      if (client !== undefined)
        void cluster.nodes()[0]?.engine.disconnect({ user: client.plan.name }, { reconnect: true });
      return;
  }
}

/** When every node must have heard of it, each is asked for what was removed. */
function removeHistory(world: World, channel: string): void {
  const { cluster, fate } = world;
  void cluster
    .nodes()[0]
    ?.engine.removeHistory(channel)
    .then((outcome) => {
      if (!outcome.ok) return;
      const { epoch, offset } = outcome.value;
      // As a client that knows nothing, and as one that missed the newest of what was removed.
      const froms = [0, Math.max(0, offset - 1)];
      for (const afterMs of PROBED_AFTER_MS)
        fate.at(afterMs, () => {
          for (const node of cluster.nodes())
            for (const from of froms)
              probe(node, channel, { epoch, offset: from }, (message) =>
                checkRemoval(world, { client: "a probe", message, node }),
              );
        });
    });
}

function disturb({ broker, loop }: World, forMs: number): void {
  broker.disturbedUntilMs = Math.max(broker.disturbedUntilMs, loop.nowMs + forMs);
}

/** Changes settings for a while. A later change wins; healing ends all. */
function during<T extends object>(
  world: World,
  forMs: number,
  target: T,
  change: Partial<T>,
): void {
  const before = Object.fromEntries(
    Object.keys(change).map((name) => [name, target[name as keyof T]]),
  );
  Object.assign(target, change);
  world.fate.at(forMs, () => {
    if (!world.cluster.healed) Object.assign(target, before);
  });
}

function connectionsOf({ network }: World, client: SimClient | undefined): SimConnection[] {
  network.sweep();
  return [...network.connections].filter(
    ({ client: end, ended }) => end.process === client?.process && !ended,
  );
}

/** Ends every fault that lasts: from here on all is well. */
export function heal({ plan, trace, network, broker, cluster }: World): void {
  const { latencyMs, jitterMs, brokerLatencyMs } = plan;
  trace.add("world", "heals");
  Object.assign(network.settings, { latencyMs, jitterMs });
  Object.assign(broker.faults, {
    latencyMs: brokerLatencyMs,
    jitterMs: brokerLatencyMs,
    failBefore: 0,
    failAfter: 0,
  });
  cluster.heal();
}
