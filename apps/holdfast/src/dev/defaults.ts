// Owns: how `holdfast dev` differs from a node in production, as defaults that files, environment
// and flags can still change.

/** Values by option name, for one node or for each of a fleet. */
export function devDefaults(nodes = 1): Readonly<Record<string, unknown>> {
  return {
    // Anonymous clients may come in, so nobody but this machine may reach it.
    host: "127.0.0.1",
    internalHost: "127.0.0.1",
    "auth.anonymous": true,
    // Tunnels of editors end on this machine and say under which name the page was opened.
    trustedProxies: ["127.0.0.0/8", "::1"],
    reusePort: true,
    "broker.allowNonDurable": true,
    revision: "dev",
    "log.format": "pretty",
    // The supervisor tells what matters; a node's own lines are for when something is wrong.
    "log.level": "warn",
    "drain.preDelayMs": 0,
    "drain.windowMs": 5000,
    ...(nodes > 1 ? FLEET_DEFAULTS : {}),
  };
}

/**
 * People watch a handful of sessions: they see what nodes say of themselves sooner, and load evened
 * out that a large fleet would let be.
 */
const FLEET_DEFAULTS: Readonly<Record<string, unknown>> = {
  "fleet.figuresMs": 500,
  "fleet.nodeLeaseMs": 2000,
  "fleet.rebalanceSessionsMin": 2,
  "fleet.rebalancePerSecond": 2,
  "fleet.rebalanceCooldownMs": 5000,
};
