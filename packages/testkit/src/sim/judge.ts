// Owns: judging a whole run: what must hold at each step, what a run of drains alone must look
// like, what must be there in the end and what must not.
import type { World } from "./world.ts";

/** What must hold at every moment. */
export function judgeStep({
  truth,
  verdict,
  clients,
  network,
  queueBytesMax,
  hostiles,
  cluster,
}: World): void {
  for (const text of truth.violations) verdict.broken("bug", text);
  for (const { plan, stats } of clients) {
    if (stats.undeclared > 0)
      verdict.broken("H2", `${plan.name} found ${stats.undeclared} undeclared holes`);
  }
  for (const { id, server } of network.connections) {
    if (server.offeredBytesPeak <= queueBytesMax) continue;
    verdict.broken(
      "H4",
      `connection ${id} of ${server.peer.process.name} had ${server.offeredBytesPeak} bytes in its queue`,
    );
  }
  hostiles.judge(cluster.nodes());
}

/** In a run of drains alone nobody may notice anything (H6, H7). */
export function judgeDeploy({ plan: { profile }, workload, clients, verdict }: World): void {
  if (profile !== "deploy") return;
  const left = new Set(clients.filter(({ leaves }) => leaves).map(({ plan }) => plan.name));
  for (const { plan, leaves, statesSeen, publishes, presence, streams, stats } of clients) {
    if (leaves) continue;
    const others = statesSeen.filter((state) => state !== "connected" && state !== "closed");
    if (others.length > 0)
      verdict.broken("H6", `${plan.name} saw ${statesSeen.join(", ")} in a run of drains alone`);
    const failures = publishes.failures.filter(
      (code) => code !== "closed" && code !== "permission_denied",
    );
    if (failures.length > 0)
      verdict.broken("H6", `${plan.name} could not publish: ${failures.join(", ")}`);
    for (const user of presence?.leaves ?? []) {
      if (!left.has(user)) verdict.broken("H7", `${plan.name} was told that ${user} had left`);
    }
    for (const [channel, { gaps }] of streams) {
      // What keeps little may lose; large publications may fill a queue.
      const lossy =
        channel.startsWith("small:") || (channel.startsWith("cursor:") && workload.heavy);
      if (gaps > 0 && !lossy)
        verdict.broken("H1", `${plan.name} was told of ${gaps} gaps in ${channel}`);
    }
    if (stats.reconnects > 0)
      verdict.broken("H6", `${plan.name} reconnected ${stats.reconnects} times`);
  }
}

/** What is not yet as it should be after healing. */
export function missing({ cluster, clients, commands }: World): string | undefined {
  if (!cluster.whole) return "a node is not ready";
  const order = cluster.orders.missing(cluster.nodes());
  if (order !== undefined) return order;
  const command = commands.missing();
  if (command !== undefined) return command;
  for (const client of clients) {
    const lacking = client.missing();
    if (lacking !== undefined) return lacking;
  }
  const members = clients
    .filter(({ plan, left }) => plan.member && !left)
    .map((client) => ({ id: client.session ?? "no session", data: client.memberData }));
  for (const client of clients) {
    const lacking = client.left ? undefined : client.presence?.missing(members);
    if (lacking !== undefined) return lacking;
  }
  return undefined;
}

/** What the nodes and the broker still keep of clients that have all left. */
export function leftOver({ cluster, clients, broker }: World): string | undefined {
  for (const { plan, closed, process } of clients) {
    if (!closed) return `${plan.name} is not closed`;
    if (process.waiting() > 0) return `${plan.name} has ${process.waiting()} timers`;
  }
  for (const { name, engine } of cluster.nodes()) {
    const { connections, sessions, subscriptions, channels, queueBytes, heldBytes } = engine.info();
    const kept = { connections, sessions, subscriptions, channels, queueBytes, heldBytes };
    if (Object.values(kept).some((count) => count !== 0))
      return `${name} keeps ${JSON.stringify(kept)}`;
  }
  const { members } = broker.figures();
  return members === 0 ? undefined : `the broker keeps ${members} members`;
}
