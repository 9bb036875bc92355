// Owns: scenarios and simulation options that tests of plans begin from.
import { CALIBRATION } from "./calibration.ts";
import type { MassReconnectOptions } from "./mass-reconnect.ts";
import { makePlan, type Plan } from "./plan.ts";
import type { RollingDeployOptions } from "./rolling-deploy.ts";
import { SCENARIO_DEFAULTS, type Scenario } from "./scenario.ts";

interface Changes {
  readonly demand?: Partial<Scenario["demand"]>;
  readonly node?: Partial<Scenario["node"]>;
  readonly fleet?: Partial<Scenario["fleet"]>;
}

export function scenarioWith({ demand, node, fleet }: Changes): Scenario {
  return {
    demand: { ...SCENARIO_DEFAULTS.demand, clients: 50_000, publishesPerSecond: 500, ...demand },
    node: { ...SCENARIO_DEFAULTS.node, ...node },
    fleet: { ...SCENARIO_DEFAULTS.fleet, ...fleet },
  };
}

/** Throws if no number of nodes is enough. */
export function planWith(changes: Changes): Plan {
  const plan = makePlan(scenarioWith(changes), CALIBRATION);
  if (!("nodes" in plan)) throw new Error("no plan");
  return plan;
}

const receiver = {
  handshakesPerSecond: 500,
  resumeReserve: 0.3,
  handshakesInFlightMax: 1000,
  lagMsMax: 250,
  figuresMs: 1000,
  admits: true,
} as const;
const costs = { upgradeMs: 0.1, connectMs: 0.2, refuseMs: 0.05 } as const;

export const MASS_RECONNECT: MassReconnectOptions = {
  clients: 4000,
  nodes: 1,
  balancer: "random",
  receiver,
  costs,
  background: 0.2,
  windowMs: 500,
  connectTimeoutMs: 10_000,
  networkMs: 5,
  horizonMs: 20 * 60_000,
  eventsMax: 2_000_000,
  seed: 1,
};

export const ROLLING_DEPLOY: RollingDeployOptions = {
  sessions: 3000,
  nodes: 3,
  node: { receiver, costs, background: 0.2 },
  balancer: "least-connections",
  startMs: 1000,
  preDelayMs: 500,
  windowMs: 20_000,
  perSecondMax: 500,
  connectTimeoutMs: 10_000,
  networkMs: 5,
  eventsMax: 2_000_000,
  seed: 1,
};
