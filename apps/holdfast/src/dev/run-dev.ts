// Owns: `holdfast dev`: hosts the broker, starts node processes one after the other without a gap, and stops them.
import { randomBytes } from "node:crypto";
import { relative } from "node:path";
import type { Config, Source } from "@holdfast/config";
import { type DemoDevice, startDemoDevice } from "@holdfast/console";
import { createMemoryBroker, type MemoryBroker } from "@holdfast/core";
import { createLinkServer, formatLink, type LinkServer, type Logger, systemClock, systemRandom } from "@holdfast/server";
import { type Arguments, DEV_LINK_VARIABLE, readConfiguration } from "../configuration.ts";
import { CONTRACT_FILE, contractPath } from "../contract-file.ts";
import { appEvents } from "../events.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { createAppLogger } from "../logging.ts";
import { onStopSignal } from "../signals.ts";
import { banner } from "./banner.ts";
import { devDefaults } from "./defaults.ts";
import { claimPort, PortError } from "./ports.ts";
import { superviseNodes } from "./supervise.ts";
import { watchFile } from "./watch.ts";

/** Runs until a signal ends it, or a node cannot be started at all. */
export async function runDev(args: Arguments, host: Host): Promise<number> {
  const configuration = await readConfiguration(args, host, devDefaults());
  if (!configuration.ok) {
    host.err(`${configuration.message}\n`);
    return EXIT.refused;
  }
  const { config, sources } = configuration;
  // The supervisor's own few lines are always told.
  const logger = createAppLogger({ log: { ...config.log, level: config.log.level === "debug" ? "debug" : "info" } }, host);
  for (const note of configuration.notes) appEvents(logger).configurationNote(note);
  try {
    return await withBroker(async (link) => await develop({ args, host, config, sources, logger, link }));
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
  readonly host: Host;
  readonly config: Config;
  readonly sources: ReadonlyMap<string, Source>;
  readonly logger: Logger;
  readonly link: LinkServer;
}

async function develop({ args, host, config, sources, logger, link }: Setting): Promise<number> {
  const events = appEvents(logger);
  const port = await claimPort({ host: config.host, port: config.port, variable: "HOLDFAST_PORT", flag: "--port", orAny: false });
  const internalPort = await claimPort({
    host: config.internalHost,
    port: config.internalPort,
    variable: "HOLDFAST_INTERNAL_PORT",
    flag: "--internal-port",
    // Nobody types this one into a browser: a second project's node just takes another.
    orAny: sources.get("internalPort")?.kind === "default",
  });
  const path = contractPath(config.contract, host.cwd);
  const shownPath = path === undefined ? undefined : relative(host.cwd, path) || path;
  let device: DemoDevice | undefined;

  const nodes = superviseNodes({
    host,
    events,
    args: nodeArguments(args, { port, internalPort }),
    env: {
      [DEV_LINK_VARIABLE]: formatLink(link.endpoint),
      // The same for all nodes of this run, so that each can resume the others' sessions.
      HOLDFAST_AUTH_RESUME_SECRET: config.auth.resumeSecret ?? randomBytes(32).toString("hex"),
    },
    retireMs: config.drain.preDelayMs + config.drain.windowMs + 10_000,
    contractFile: shownPath ?? CONTRACT_FILE,
    onFirst() {
      host.out(
        banner({ config, port, internalPort, contract: shownPath, startedInMs: Math.round(performance.now()), colors: host.colors }),
      );
      const protocol = config.tls.certFile === undefined ? "ws" : "wss";
      if (path === undefined) device = startDemoDevice(`${protocol}://127.0.0.1:${port}/connect`, { onError: events.deviceFailed });
    },
  });
  const watch = path === undefined ? undefined : watchFile(path, () => nodes.restart(`${shownPath} has changed`), events.watchFailed);
  onStopSignal(host, (_signal, count) => (count === 1 ? nodes.stop() : nodes.killAll()));
  const ok = await nodes.ended;
  watch?.close();
  await Promise.race([device?.stop(), Bun.sleep(200)]);
  if (ok) host.out("\nstopped\n");
  return ok ? EXIT.ok : EXIT.failed;
}

/** The same arguments, with the ports that were settled behind them, where they win. */
function nodeArguments({ config, options }: Arguments, ports: { readonly port: number; readonly internalPort: number }): readonly string[] {
  const flags = Object.entries({ ...options, ...ports }).flatMap(([name, value]) => [`--${flagName(name)}`, String(value)]);
  return ["dev-node", ...(config === undefined ? [] : ["--config", config]), ...flags];
}

function flagName(option: string): string {
  return option
    .replaceAll(".", "-")
    .replaceAll(/([a-z])([A-Z])/g, "$1-$2")
    .toLowerCase();
}
