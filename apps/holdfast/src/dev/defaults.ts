// Owns: how `holdfast dev` differs from a node in production, as defaults that files, environment
// and flags can still change.

/** Values by option name, for one node or for each of a fleet. */
export function devDefaults(nodes = 1): Readonly<Record<string, unknown>> {
  return {
    // Anonymous clients are accepted, so only this machine may reach the node.
    host: "127.0.0.1",
    internalHost: "127.0.0.1",
    "auth.anonymous": true,
    // Tunnels of editors end on this machine. They tell the name with which the page was opened.
    trustedProxies: ["127.0.0.0/8", "::1"],
    reusePort: true,
    "broker.allowNonDurable": true,
    revision: "dev",
    "log.format": "pretty",
    // The supervisor reports what matters; a node's own lines are for errors.
    "log.level": "warn",
    "drain.preDelayMs": 0,
    "drain.windowMs": 5000,
    ...(nodes > 1 ? FLEET_DEFAULTS : {}),
  };
}

/**
 * People watch a few sessions. So nodes send their figures more often, and even out differences
 * that a large fleet would ignore.
 */
const FLEET_DEFAULTS: Readonly<Record<string, unknown>> = {
  "fleet.figuresMs": 500,
  "fleet.nodeLeaseMs": 2000,
  "fleet.rebalanceSessionsMin": 2,
  "fleet.rebalancePerSecond": 2,
  "fleet.rebalanceCooldownMs": 5000,
};
