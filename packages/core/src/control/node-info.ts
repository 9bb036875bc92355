// Owns: what a node says of itself to those who look after it.
import type { Moving } from "../drain/moving.ts";
import type { FleetMember } from "../fleet/fleet-member.ts";
import type { Felt } from "../session/felt.ts";
import type { HeldBytes } from "../session/held-bytes.ts";
import type { Sessions } from "../session/sessions.ts";
import type { NodeSettings } from "../settings.ts";
import type { NodeInfo } from "./control.ts";
import type { Orders } from "./orders.ts";

/** The parts whose figures are told. */
export interface InfoNeeds {
  readonly sessions: Pick<Sessions, "connections" | "count" | "subscriptions">;
  readonly hubs: { readonly size: number };
  readonly felt: Pick<Felt, "figures">;
  readonly heldBytes: Pick<HeldBytes, "total">;
  readonly moving: Pick<Moving, "draining" | "shedding">;
  readonly fleet: Pick<FleetMember, "windowMs" | "handshakesPerSecond">;
  readonly orders: Pick<Orders, "figures">;
  settings(): NodeSettings;
}

/** Looks at every connection: for somebody who asks about once a second. */
export function nodeInfo(
  parts: InfoNeeds,
  life: Pick<NodeInfo, "state" | "startedAtMs">,
): NodeInfo {
  const { sessions, hubs, heldBytes, moving, fleet, orders } = parts;
  const { nodeId, revision, limits } = parts.settings();
  let queueBytes = 0;
  let fixedSockets = 0;
  for (const connection of sessions.connections) {
    queueBytes += connection.link.bufferedBytes();
    if (connection.phase === "open" && !connection.migrates) fixedSockets += 1;
  }
  const drain = moving.draining.progress();
  const shed = moving.shedding.progress();
  return {
    node: nodeId,
    revision,
    ...life,
    connections: sessions.connections.size,
    sessions: sessions.count,
    fixedSockets,
    connectionsMax: limits.connectionsMax,
    isFull: sessions.connections.size >= limits.connectionsMax,
    subscriptions: sessions.subscriptions,
    channels: hubs.size,
    queueBytes,
    heldBytes: heldBytes.total,
    windowMs: fleet.windowMs(),
    handshakesPerSecond: fleet.handshakesPerSecond,
    felt: parts.felt.figures(),
    fence: orders.figures.fence ?? 0,
    ...(drain === undefined ? {} : { drain }),
    ...(shed === undefined ? {} : { shed }),
  };
}
