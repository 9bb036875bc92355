// Owns: `holdfast gateway`: one gateway in this process, until a signal ends it.
import { formatProblems, takeLive } from "@holdfast/config";
import {
  type ControlKeys,
  GatewayProgram,
  GatewayStartError,
  TlsFileError,
} from "@holdfast/gateway";
import { GATEWAY_OPTIONS, type GatewayConfig } from "@holdfast/gateway/options";
import { createKubeApi, credentialsSource } from "@holdfast/kube";
import { createApiKeys, createFailureLimit, forwardedReader } from "@holdfast/server";
import { accessOf, type ClusterFlags } from "../doctor-sources.ts";
import { type AppEvents, appEvents } from "../events.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { untilStopped, watchFaults } from "../lifecycle.ts";
import { createAppLogger } from "../logging.ts";
import { warnOfFewFiles } from "../open-files.ts";
import { holdSignals } from "../signals.ts";
import { configurationFile, readGatewayConfiguration } from "./configuration.ts";
import { gatewayEvents } from "./events.ts";
import { watchText } from "./watch-text.ts";

export type GatewayFlags = ClusterFlags & Readonly<Record<string, unknown>>;

/** Each client has a socket of its own and one to its endpoint; while it moves, two. */
const FILES_OF_CLIENT = 2;

export async function runGateway(flags: GatewayFlags, host: Host): Promise<number> {
  const signals = holdSignals(host);
  const configuration = await readGatewayConfiguration(flags, host);
  if (!configuration.ok) {
    host.err(`${configuration.message}\n`);
    return EXIT.refused;
  }
  const { config } = configuration;
  const logger = createAppLogger(config, host);
  const events = appEvents(logger);
  watchFaults(host, events);
  for (const note of configuration.notes) events.configurationNote(note);
  await warnOfFewFiles(config.limits.clientsMax, FILES_OF_CLIENT, events);
  try {
    const program = new GatewayProgram(config, {
      events: gatewayEvents(logger),
      keys: controlKeys(),
      kube: async () => {
        const access = await accessOf(flags, host);
        return createKubeApi(access, credentialsSource(access, { env: host.env }), {
          fieldManager: "holdfast-gateway",
        });
      },
      clientReader: ({ trustedProxies, forwardedHeader }) => {
        const read = forwardedReader({ trusted: trustedProxies, header: forwardedHeader });
        return (peer, headers) => ({
          address: read(peer, headers).address,
          peer,
          isTrusted: read(peer, ANY).unread !== "untrusted",
          proxyHeader: forwardedHeader,
        });
      },
    });
    const live = liveGateway({ flags, host, events, program, config });
    const file = configurationFile(flags, host);
    const watch =
      config.watchFile && file !== undefined
        ? watchText({ file, before: configuration.text }, host, live.reload)
        : undefined;
    return await untilStopped({
      node: program,
      events,
      drain: () => live.current().drain,
      onStop: (listener) =>
        signals.handTo((signal, count) => {
          watch?.stop();
          listener(signal, count);
        }, live.reload),
    });
  } catch (error) {
    if (!(error instanceof GatewayStartError || error instanceof TlsFileError)) throw error;
    host.err(`The gateway cannot start: ${error.message}\n`);
    return "isTemporary" in error && error.isTemporary ? EXIT.unavailable : EXIT.refused;
  } finally {
    logger.flush();
  }
}

/** What an untrusted peer is not believed. */
const ANY = new Headers({ "x-forwarded-for": "192.0.2.1", forwarded: "for=192.0.2.1" });

function controlKeys(): ControlKeys {
  const limit = createFailureLimit(() => performance.now());
  return { finder: createApiKeys, wrong: (address) => limit.failed(address) };
}

interface Reloading {
  readonly flags: GatewayFlags;
  readonly host: Host;
  readonly events: AppEvents;
  readonly program: GatewayProgram;
  readonly config: GatewayConfig;
}

/**
 * The configuration in force. `reload` reads everything again and applies what a running gateway
 * can change. A refused configuration changes nothing. Reloads run one after the other.
 */
function liveGateway({ flags, host, events, program, config }: Reloading): {
  current(): GatewayConfig;
  reload(): void;
} {
  let current = config;
  let last: Promise<void> = Promise.resolve();
  const refuse = (reason: string): void => {
    program.refused();
    events.settingsRefused({ reason });
  };
  const reload = async (): Promise<void> => {
    const configuration = await readGatewayConfiguration(flags, host);
    if (!configuration.ok) return refuse(configuration.message);
    const {
      config: live,
      taken,
      waiting,
    } = takeLive(GATEWAY_OPTIONS, current, configuration.config);
    // New routes beside old limits, which wait for the next start.
    const broken = GATEWAY_OPTIONS.broken(live).map((one) => ({
      ...one,
      where: "after the reload",
    }));
    if (broken.length > 0) return refuse(formatProblems(broken));
    const whyNot = program.configure(live);
    if (whyNot !== undefined) return events.settingsRefused({ reason: whyNot });
    current = live;
    events.settingsReloaded({ taken, waiting });
  };
  return {
    current: () => current,
    reload() {
      last = last.then(reload);
    },
  };
}
