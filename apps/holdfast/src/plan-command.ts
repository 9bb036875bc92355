// Owns: `holdfast plan`: it reads the flags, makes the plan and prints it.
import { resolve } from "node:path";
import {
  CALIBRATION,
  type Calibration,
  calibrationFrom,
  makePlan,
  type Plan,
  planSvg,
  planText,
  SCENARIO_DEFAULTS,
  type Scenario,
} from "@holdfast/plan";
import type { Command } from "commander";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { type FlagName, type Given, PLAN_FLAGS, readFlag } from "./plan-flags.ts";

interface Asked {
  readonly scenario: Scenario;
  readonly calibration: Calibration;
}

/** The scenario, or why the flags cannot be used. */
type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string };

/** `holdfast plan`. Values of its flags are read and refused by their table. */
export function addPlan(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command("plan")
    .description(
      "Plan capacity: nodes, memory, Redis, deploys, failures and storms, from measured figures and a simulation of the real engines.",
    );
  for (const { name, value, help, group } of PLAN_FLAGS)
    command.addOption(command.createOption(`--${name} <${value}>`, help).helpGroup(`${group}:`));
  command
    .option("--calibration <file>", "JSON with figures measured on your machines instead of ours")
    .option("--json", "print the plan as JSON")
    .option("--svg <file>", "write a picture of the storm and of growth")
    .addHelpText(
      "after",
      "\nExit status: 0 all that was asked for holds, 1 something does not, 2 arguments refused.\n",
    )
    .action(async (options: Record<string, unknown>) => done(await printPlan(options, host)));
}

/**
 * Exit status: 0 the plan meets everything, 1 the plan misses something, 2 the arguments cannot be
 * used.
 */
async function printPlan(given: Given, host: Host): Promise<number> {
  const asked = await askedFor(given, host);
  if (!asked.ok) return refuse(host, asked.message);
  const { scenario, calibration } = asked.value;
  const plan = makePlan(scenario, calibration);
  if (!("nodes" in plan)) {
    const impossible = plan.sizing.limits
      .filter(({ nodes }) => !Number.isFinite(nodes))
      .map(({ name }) => name);
    return refuse(
      host,
      `Cannot plan: no number of nodes of this size is enough by ${impossible.join(" and ")}, expected larger ones, or less headroom`,
    );
  }
  if (typeof given.svg === "string") {
    const written = await write(resolve(host.cwd, given.svg), planSvg(plan));
    if (!written.ok) return refuse(host, written.message);
  }
  host.out(given.json === true ? `${JSON.stringify(plan, null, 2)}\n` : planText(plan));
  return holds(plan) ? EXIT.ok : EXIT.failed;
}

const holds = (plan: Plan): boolean => plan.problems.length === 0;

async function askedFor(given: Given, host: Host): Promise<Read<Asked>> {
  const values = new Map<FlagName, number | string>();
  for (const flag of PLAN_FLAGS) {
    const text = given[flag.key];
    if (text === undefined && flag.required === true)
      return {
        ok: false,
        message: `Cannot plan: found no --${flag.name}, expected ${flag.expected}`,
      };
    if (typeof text !== "string") continue;
    const read = readFlag(flag, text);
    if (read === undefined)
      return { ok: false, message: `Cannot use --${flag.name} ${text}: expected ${flag.expected}` };
    values.set(flag.name, read);
  }
  const calibration = await calibrationOf(given, host);
  return calibration.ok
    ? { ok: true, value: { scenario: scenarioOf(values), calibration: calibration.value } }
    : calibration;
}

function scenarioOf(values: ReadonlyMap<FlagName, number | string>): Scenario {
  const { demand, node, fleet } = SCENARIO_DEFAULTS;
  const number = (name: FlagName, standard: number): number => Number(values.get(name) ?? standard);
  const clients = number("clients", 0);
  const [nodes, windowMs] = [values.get("nodes"), values.get("drain-window")];
  return {
    demand: {
      clients,
      publishesPerSecond: number("messages", 0),
      roomSize: Math.min(number("room-size", demand.roomSize), Math.max(1, clients)),
      roomsPerClient: number("rooms-per-client", demand.roomsPerClient),
      dataBytes: number("message-size", demand.dataBytes),
      historySize: number("history", demand.historySize),
      growthPerMonth: number("growth", demand.growthPerMonth),
      deploysPerDay: number("deploys", demand.deploysPerDay),
    },
    node: {
      cores: number("node-cores", node.cores),
      memoryBytes: number("node-memory", node.memoryBytes),
      connectionsMax: number("connections-max", node.connectionsMax),
      descriptorsMax: number("descriptors", node.descriptorsMax),
      handshakesPerSecond: number("handshakes", node.handshakesPerSecond),
    },
    fleet: {
      ...(nodes === undefined ? {} : { nodes: Number(nodes) }),
      zones: number("zones", fleet.zones),
      headroom: number("headroom", fleet.headroom),
      recoveryMsMax: number("recovery", fleet.recoveryMsMax),
      balancer: values.get("balancer") === "random" ? "random" : "least-connections",
      startMs: number("node-start", fleet.startMs),
      preDelayMs: number("drain-pre-delay", fleet.preDelayMs),
      ...(windowMs === undefined ? {} : { drainWindowMs: Number(windowMs) }),
      drainPerSecondMax: number("drain-per-second-max", fleet.drainPerSecondMax),
      seed: number("seed", fleet.seed),
    },
  };
}

async function calibrationOf({ calibration: path }: Given, host: Host): Promise<Read<Calibration>> {
  if (typeof path !== "string") return { ok: true, value: CALIBRATION };
  const text = await Bun.file(resolve(host.cwd, path))
    .text()
    .catch(() => undefined);
  if (text === undefined)
    return { ok: false, message: `Cannot use the calibration: ${path} cannot be read` };
  const read = calibrationFrom(parsed(text));
  return read.ok ? { ok: true, value: read.calibration } : read;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function write(path: string, text: string): Promise<Read<undefined>> {
  return Bun.write(path, text).then(
    () => ({ ok: true, value: undefined }),
    () => ({ ok: false, message: `Cannot write the picture: ${path} cannot be written` }),
  );
}

function refuse(host: Host, message: string): number {
  host.err(`${message}\n`);
  return EXIT.refused;
}
