// Owns: `holdfast serve`: one node in this process.
import { takeLive } from "@holdfast/config";
import { createNode, type HoldfastNode, StartError } from "@holdfast/server";
import { type Config, NODE_OPTIONS } from "@holdfast/server/options";
import { type Arguments, readConfiguration } from "./configuration.ts";
import { ContractFileError, contractPath, loadContractFile } from "./contract-file.ts";
import { type AppEvents, appEvents } from "./events.ts";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { untilStopped, watchFaults } from "./lifecycle.ts";
import { createAppLogger } from "./logging.ts";
import { warnOfFewFiles } from "./open-files.ts";
import { pipelinesOf } from "./pipeline/load.ts";
import { targetsOf } from "./pipeline/targets.ts";
import { holdSignals } from "./signals.ts";
import { VERSION } from "./version.ts";

const NO_AUTH = `Refusing to start: there is no way to check tokens, so nobody would be anybody.
  Give a key: auth.jwt.hmacSecret (HOLDFAST_AUTH_JWT_HMAC_SECRET), auth.jwt.publicKey, auth.jwt.publicKeyFile or auth.jwt.jwksUrl,
  or say that everyone may come in: auth.insecure: true (--auth-insecure).`;

/** How long a node that is stopped while it starts may take to release its broker. */
const GIVE_UP_MS = 1000;

/** Runs until a signal ends it, also while it is still starting. */
export async function runServe(args: Arguments, host: Host): Promise<number> {
  const signals = holdSignals(host);
  const configuration = await readConfiguration(args, host);
  if (!configuration.ok) return refuse(host, configuration.message);
  const config = letInIfInsecure(configuration.config);
  if (!checksTokens(config) && !config.auth.insecure) return refuse(host, NO_AUTH);

  const logger = createAppLogger(config, host);
  const events = appEvents(logger);
  watchFaults(host, events);
  for (const note of configuration.notes) events.configurationNote(note);
  if (config.auth.insecure && !checksTokens(config)) events.insecure();
  if (config.auth.resumeSecret === undefined) events.resumeSecretRandom();
  await warnOfFewFiles(config.limits.connectionsMax, 1, events);
  let node: HoldfastNode | undefined;
  const start = async () => {
    // Only `holdfast dev` looks for a contract if none was named.
    const path =
      config.contract === undefined ? undefined : contractPath(config.contract, host.cwd);
    const contract = path === undefined ? undefined : await loadContractFile(path, host.packed);
    node = await createNode({
      config,
      logger,
      version: VERSION,
      ...(contract === undefined ? {} : { contract }),
      ...(await pipelinesOf(config.pipelines, host)),
      ...(await targetsOf(contract, config.pipelines, host)),
      secret: (name) => host.env[name],
    });
    await node.start();
    return node;
  };
  try {
    const started = await Promise.race([start(), signals.stop]);
    if (typeof started === "string") {
      events.startGivenUp({ signal: started });
      await Promise.race([node?.stop().catch(() => 0), Bun.sleep(GIVE_UP_MS)]);
      return EXIT.ok;
    }
    const live = liveConfig({ args, host, events, node: started, config });
    return await untilStopped({
      node: started,
      events,
      drain: () => live.current().drain,
      onStop: (listener) => signals.handTo(listener, live.reload),
    });
  } catch (error) {
    if (error instanceof ContractFileError) return refuse(host, error.message);
    if (error instanceof StartError) return startFailure(error, host);
    throw error;
  } finally {
    logger.flush();
  }
}

interface Reloading {
  readonly args: Arguments;
  readonly host: Host;
  readonly events: AppEvents;
  readonly node: HoldfastNode;
  readonly config: Config;
}

/**
 * The configuration in force. SIGHUP calls `reload`: it reads the configuration again and applies
 * the options that a running node can change. A refused configuration changes nothing. Reloads run
 * one after the other.
 */
function liveConfig({ args, host, events, node, config }: Reloading): {
  current(): Config;
  reload(): void;
} {
  let current = config;
  let last: Promise<void> = Promise.resolve();
  const reload = async () => {
    const configuration = await readConfiguration(args, host);
    if (!configuration.ok) return events.settingsRefused({ reason: configuration.message });
    const {
      config: live,
      taken,
      waiting,
    } = takeLive(NODE_OPTIONS, current, letInIfInsecure(configuration.config));
    current = live;
    node.configure(live);
    events.settingsReloaded({ taken, waiting });
  };
  return {
    current: () => current,
    reload() {
      last = last.then(reload);
    },
  };
}

/** Reports why a node did not start. The exit status says whether another try can help. */
export function startFailure(error: StartError, host: Host): number {
  host.err(
    `The node cannot start:\n${error.problems.map((problem) => `  ${problem}`).join("\n")}\n`,
  );
  return isTemporary(error) ? EXIT.unavailable : EXIT.refused;
}

export function isTemporary(error: StartError): boolean {
  return error.code === "port_unavailable" || error.code === "broker_unavailable";
}

function refuse(host: Host, message: string): number {
  host.err(`${message}\n`);
  return EXIT.refused;
}

function checksTokens({ auth: { jwt } }: Config): boolean {
  return (
    jwt.hmacSecret !== undefined ||
    jwt.publicKey !== undefined ||
    jwt.publicKeyFile !== undefined ||
    jwt.jwksUrl !== undefined
  );
}

/** Without authentication no client could connect unless clients without a token may. */
function letInIfInsecure(config: Config): Config {
  return config.auth.insecure && !checksTokens(config)
    ? { ...config, auth: { ...config.auth, anonymous: true } }
    : config;
}
