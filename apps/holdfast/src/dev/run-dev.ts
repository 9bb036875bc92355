// Owns: `holdfast dev`: it hosts the broker, starts node processes one after the other or a fleet
// behind a balancer, and stops them.
import { randomBytes } from "node:crypto";
import { relative } from "node:path";
import type { Source } from "@holdfast/config";
import { createMemoryBroker, type MemoryBroker } from "@holdfast/core";
import { type DemoDevice, startDemoDevice } from "@holdfast/demo";
import {
  createLinkServer,
  formatLink,
  type LinkServer,
  type Logger,
  systemClock,
  systemRandom,
} from "@holdfast/server";
import type { Config } from "@holdfast/server/options";
import { type Arguments, DEV_LINK_VARIABLE, readConfiguration } from "../configuration.ts";
import { CONTRACT_FILE, contractPath } from "../contract-file.ts";
import { type AppEvents, appEvents } from "../events.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { createAppLogger } from "../logging.ts";
import { onStopSignal } from "../signals.ts";
import { banner } from "./banner.ts";
import { devDefaults } from "./defaults.ts";
import { isLoopback } from "./dev-node.ts";
import { startFleet } from "./fleet.ts";
import { FleetPlan } from "./fleet-plan.ts";
import { DevPlan, type Plan } from "./plan.ts";
import { claimPort, PortError } from "./ports.ts";
import { type Grounds, superviseNodes } from "./supervise.ts";
import { watchFile } from "./watch.ts";

/** Runs until a signal ends it, or a node cannot be started at all. */
export async function runDev(args: Arguments, nodes: number, host: Host): Promise<number> {
  if (host.packed) {
    host.err(
      "Cannot run dev in this executable: found no page in it, expected the npm package: npx holdfast dev. To serve: holdfast serve\n",
    );
    return EXIT.refused;
  }
  const configuration = await readConfiguration(args, host, devDefaults(nodes));
  if (!configuration.ok) {
    host.err(`${configuration.message}\n`);
    return EXIT.refused;
  }
  const { config, sources } = configuration;
  // The supervisor's own few lines are always logged.
  const logger = createAppLogger(
    { log: { ...config.log, level: config.log.level === "debug" ? "debug" : "info" } },
    host,
  );
  for (const note of configuration.notes) appEvents(logger).configurationNote(note);
  try {
    return await withBroker(
      async (link) => await develop({ args, nodes, host, config, sources, logger, link }),
    );
  } catch (error) {
    if (!(error instanceof PortError)) throw error;
    host.err(`${error.message}\n`);
    return EXIT.unavailable;
  } finally {
    logger.flush();
  }
}

async function withBroker(run: (link: LinkServer) => Promise<number>): Promise<number> {
  const broker: MemoryBroker = createMemoryBroker({ clock: systemClock, random: systemRandom });
  const link = await createLinkServer({ broker, clock: systemClock });
  try {
    return await run(link);
  } finally {
    await link.close();
    broker.close();
  }
}

interface Setting {
  readonly args: Arguments;
  readonly nodes: number;
  readonly host: Host;
  readonly config: Config;
  readonly sources: ReadonlyMap<string, Source>;
  readonly logger: Logger;
  readonly link: LinkServer;
}

async function develop(setting: Setting): Promise<number> {
  const { host, nodes: count, config, logger, link } = setting;
  const events = appEvents(logger);
  const port = await claimPort({
    host: config.host,
    port: config.port,
    variable: "HOLDFAST_PORT",
    flag: "--port",
    orAny: false,
  });
  const ground =
    count === 1 ? await groundOfOne(setting, port) : groundOfFleet(setting, port, events);
  const path = contractPath(config.contract, host.cwd);
  const shownPath = path === undefined ? undefined : relative(host.cwd, path) || path;
  let device: DemoDevice | undefined;

  const nodes = superviseNodes({
    host,
    events,
    plan: ground.plan,
    grounds: ground.grounds,
    env: {
      [DEV_LINK_VARIABLE]: formatLink(link.endpoint),
      // The same for all nodes of this run, so that each can resume the others' sessions.
      HOLDFAST_AUTH_RESUME_SECRET: config.auth.resumeSecret ?? randomBytes(32).toString("hex"),
    },
    retireMs: config.drain.preDelayMs + config.drain.windowMs + 10_000,
    contractFile: shownPath ?? CONTRACT_FILE,
    keptWhy:
      count === 1
        ? "the new one cannot start; the old one continues"
        : "the new one cannot start; those that serve continue",
    onFirst() {
      const startedInMs = Math.round(performance.now());
      host.out(
        banner({
          config,
          port,
          internalPort: ground.internalPort,
          nodes: count,
          contract: shownPath,
          startedInMs,
          colors: host.colors,
        }),
      );
      const protocol = config.tls.certFile === undefined ? "ws" : "wss";
      if (path === undefined)
        device = startDemoDevice(`${protocol}://127.0.0.1:${port}/connect`, {
          onError: events.deviceFailed,
        });
    },
  });
  const watch =
    path === undefined
      ? undefined
      : watchFile(path, () => nodes.restart(`${shownPath} has changed`), events.watchFailed);
  onStopSignal(host, (_signal, count) => (count === 1 ? nodes.stop() : nodes.killAll()));
  const ok = await nodes.ended;
  watch?.close();
  await Promise.race([device?.stop(), Bun.sleep(200)]);
  ground.close();
  if (ok) host.out("\nstopped\n");
  return ok ? EXIT.ok : EXIT.failed;
}

interface Ground {
  readonly plan: Plan;
  readonly grounds: Grounds;
  /** Undefined if each node has its own. */
  readonly internalPort: number | undefined;
  close(): void;
}

/** One node after the other on the same ports. */
async function groundOfOne({ args, config, sources }: Setting, port: number): Promise<Ground> {
  const internalPort = await claimPort({
    host: config.internalHost,
    port: config.internalPort,
    variable: "HOLDFAST_INTERNAL_PORT",
    flag: "--internal-port",
    // Nobody types this port into a browser: the node of a second project simply uses another.
    orAny: sources.get("internalPort")?.kind === "default",
  });
  const nodeArgs = nodeArguments(args, { port, internalPort });
  const grounds: Grounds = {
    argumentsOf: () => nodeArgs,
    admit: async () => {},
    nameOf: () => undefined,
    gone: () => {},
  };
  return { plan: new DevPlan(), grounds, internalPort, close: () => {} };
}

/** Several nodes, each on its own ports, behind a balancer on dev's port. */
function groundOfFleet(
  { args, nodes, config, sources }: Setting,
  port: number,
  events: AppEvents,
): Ground {
  if (sources.get("internalPort")?.kind !== "default") {
    events.configurationNote(
      "internalPort is not used with --nodes: each node takes a free one, named in node_serving",
    );
  }
  const own = ["--nodes", String(nodes), ...(isLoopback(config.host) ? [] : ["--no-orders"])];
  const grounds = startFleet({
    config,
    port,
    nodeArguments: (options) => [...nodeArguments(args, options), ...own],
    onServing: events.nodeServing,
  });
  return {
    plan: new FleetPlan(nodes),
    grounds,
    internalPort: undefined,
    close: () => grounds.stop(),
  };
}

/** The same arguments, followed by values that were decided here; later values win. */
function nodeArguments(
  { config, options }: Arguments,
  settled: Readonly<Record<string, unknown>>,
): readonly string[] {
  const flags = Object.entries({ ...options, ...settled }).flatMap(([name, value]) => [
    `--${flagName(name)}`,
    String(value),
  ]);
  return ["dev-node", ...(config === undefined ? [] : ["--config", config]), ...flags];
}

function flagName(option: string): string {
  return option
    .replaceAll(".", "-")
    .replaceAll(/([a-z])([A-Z])/g, "$1-$2")
    .toLowerCase();
}
