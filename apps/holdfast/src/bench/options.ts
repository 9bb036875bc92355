// Owns: the options that every scenario of `holdfast bench` takes.
import {
  DEFAULT_TARGET,
  DRIVER_NAMES,
  type DriverName,
  LIMITS,
  type LoadPlan,
  type Target,
} from "@holdfast/load";
import { type Command, Option } from "commander";
import { decimal, httpUrl, pid, sources, time, whole, wsUrl } from "./values.ts";

const HOURS_24_MS = 86_400_000;

/** Where the load goes and how it is carried. */
export interface CarryOptions {
  readonly driver: DriverName;
  readonly codec: "json" | "msgpack";
  readonly workers: number;
  readonly source: readonly string[];
  readonly seed: number;
  readonly handshakeTimeout: number;
  readonly reconnect: boolean;
  readonly tlsVerify: boolean;
  readonly tokenFile?: string;
  readonly payloadBytes: number;
  readonly payload?: string;
}

/** What is watched and what comes out. */
export interface ReportOptions {
  readonly metrics: readonly string[];
  readonly pid: readonly number[];
  readonly slo?: string;
  readonly json?: string;
  readonly html?: string;
}

/** The size of a scenario. */
export interface SizeOptions {
  readonly connections: number;
  readonly rate: number;
  readonly duration: number;
  readonly warmUp: number;
  readonly think: "steady" | "random";
  readonly channel?: string;
}

export function withCarryOptions(command: Command): Command {
  const driver = new Option("--driver <name>", "what the server speaks")
    .choices(DRIVER_NAMES)
    .default("holdfast");
  const codec = new Option("--codec <name>", "encoding of holdfast.v1")
    .choices(["json", "msgpack"])
    .default("json");
  return command
    .argument(
      "[urls...]",
      "servers, ws: or wss:; connections are dealt out in turn (default: ws://localhost:8000/connect)",
      (text, all: readonly string[] | undefined) => wsUrl(text, all ?? []),
    )
    .addOption(driver.helpGroup("Carrying:"))
    .addOption(codec.helpGroup("Carrying:"))
    .addOption(
      new Option("--workers <count>", "processes that carry the load")
        .argParser(whole(1, LIMITS.workersMax))
        .default(1)
        .helpGroup("Carrying:"),
    )
    .addOption(
      new Option(
        "--source <address>",
        "local address to come from, or a range such as 127.0.0.1-127.0.0.4; each gives about 28,000 connections; repeat for more",
      )
        .argParser(sources)
        .default([], "the system's choice")
        .helpGroup("Carrying:"),
    )
    .addOption(
      new Option("--seed <number>", "of all chance: the same seed, the same schedule")
        .argParser(whole(0, 1e9))
        .default(1)
        .helpGroup("Carrying:"),
    )
    .addOption(
      new Option("--handshake-timeout <time>", "a handshake that takes longer is given up")
        .argParser(time(10, HOURS_24_MS))
        .default(DEFAULT_TARGET.handshakeMsMax, "10s")
        .helpGroup("Carrying:"),
    )
    .addOption(
      new Option("--no-reconnect", "who loses its connection stays away").helpGroup("Carrying:"),
    )
    .addOption(new Option("--no-tls-verify", "accept any certificate").helpGroup("Carrying:"))
    .addOption(
      new Option(
        "--token-file <file>",
        "file with the token of all connections (else HOLDFAST_BENCH_TOKEN)",
      ).helpGroup("Carrying:"),
    )
    .addOption(
      new Option("--payload-bytes <count>", "size of a publication's JSON")
        .argParser(whole(1, LIMITS.payloadBytesMax))
        .default(100)
        .helpGroup("Carrying:"),
    )
    .addOption(
      new Option(
        "--payload <json>",
        'what a publication looks like, with {mark} in a text and {fill} to make up the size, as in {"text":"{mark}{fill}"}',
      ).helpGroup("Carrying:"),
    );
}

export function withReportOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--metrics <url>",
        "/metrics of a node under load, for its CPU, memory and loop lag; repeat for more",
      )
        .argParser(httpUrl)
        .default([], "none")
        .helpGroup("Reporting:"),
    )
    .addOption(
      new Option("--pid <id>", "a local process to watch through /proc; repeat for more")
        .argParser(pid)
        .default([], "none")
        .helpGroup("Reporting:"),
    )
    .addOption(
      new Option(
        "--slo <objectives>",
        'what must hold, as in "p99<100ms,lost=0"; decides the exit status (docs/guide/load-testing.md lists the names)',
      ).helpGroup("Reporting:"),
    )
    .addOption(
      new Option(
        "--json <file>",
        "write the result as JSON; - for standard output, and nothing else there",
      ).helpGroup("Reporting:"),
    )
    .addOption(
      new Option("--html <file>", "write the result as a page with charts").helpGroup("Reporting:"),
    );
}

export function withSizeOptions(
  command: Command,
  defaults: { readonly connections: number },
): Command {
  return command
    .addOption(
      new Option("-n, --connections <count>", "how many")
        .argParser(whole(1, LIMITS.connectionsMax))
        .default(defaults.connections),
    )
    .addOption(
      new Option("-r, --rate <per-second>", "connections opened a second")
        .argParser(decimal(0.1, LIMITS.perSecondMax))
        .default(200),
    )
    .addOption(
      new Option("-d, --duration <time>", "length of what is measured")
        .argParser(time(1, HOURS_24_MS))
        .default(10_000, "10s"),
    )
    .addOption(
      new Option("--warm-up <time>", "load before that, which counts for nothing")
        .argParser(time(0, HOURS_24_MS))
        .default(2_000, "2s"),
    )
    .addOption(
      new Option(
        "--think <how>",
        "time between two acts of one connection: random is a Poisson process",
      )
        .choices(["random", "steady"])
        .default("random"),
    )
    .addOption(
      new Option(
        "--channel <name>",
        "name of channels; {n} is the room's number, {run} the run's (default: bench:{run}:{n})",
      ),
    );
}

export function targetOf(
  options: CarryOptions,
  urls: readonly string[],
  token: string | undefined,
): Target {
  return {
    driver: options.driver,
    urls: urls.length === 0 ? ["ws://localhost:8000/connect"] : urls,
    codec: options.codec,
    sources: options.source,
    verifiesTls: options.tlsVerify,
    handshakeMsMax: options.handshakeTimeout,
    comesBack: options.reconnect,
    ...(token === undefined ? {} : { token }),
  };
}

export const payloadOf = ({ payloadBytes, payload }: CarryOptions): LoadPlan["payload"] => ({
  bytes: payloadBytes,
  ...(payload === undefined ? {} : { template: payload }),
});
