// Owns: `holdfast bench` and its subcommands: their arguments, and the plan that each makes of
// them.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  type Basics,
  chat,
  connect,
  type Dropping,
  fanout,
  idle,
  LIMITS,
  LoadError,
  type LoadPlan,
  type Publishing,
  ping,
  readScenario,
  recover,
  storm,
  type Target,
  workAsWorker,
} from "@holdfast/load";
import { type Command, Option } from "commander";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import {
  type CarryOptions,
  payloadOf,
  type ReportOptions,
  type SizeOptions,
  targetOf,
  withCarryOptions,
  withReportOptions,
  withSizeOptions,
} from "./options.ts";
import { runBench, tokenOf } from "./run-bench.ts";
import { decimal, time, whole } from "./values.ts";

type Options = CarryOptions & ReportOptions & SizeOptions;

/** A scenario as a subcommand. */
interface Scenario<O> {
  readonly name: string;
  readonly description: string;
  readonly connections: number;
  readonly options: readonly Option[];
  plan(basics: Basics, options: O): LoadPlan;
}

const HOUR_MS = 3_600_000;
const publishing: readonly Option[] = [
  new Option("--publishers <count>", "connections that publish")
    .argParser(whole(1, LIMITS.connectionsMax))
    .default(1),
  new Option("--publish-rate <per-second>", "publications a second, of all together")
    .argParser(decimal(0.01, LIMITS.perSecondMax))
    .default(10),
];
const dropping: readonly Option[] = [
  new Option("--away <time>", "how long they stay away at least, on top of what the server says")
    .argParser(time(0, HOUR_MS))
    .default(0, "0ms"),
  new Option("--within <time>", "how long everyone has to be back")
    .argParser(time(1, HOUR_MS))
    .default(60_000, "60s"),
];

interface PublishingOptions {
  readonly publishers: number;
  readonly publishRate: number;
}
interface DroppingOptions {
  readonly away: number;
  readonly within: number;
}
const publishingOf = ({ publishers, publishRate }: PublishingOptions): Publishing => ({
  publishers,
  publishesPerSecond: publishRate,
});
const droppingOf = ({ away, within }: DroppingOptions): Omit<Dropping, "share"> => ({
  awayMs: away,
  msMax: within,
});

const connectScenario: Scenario<{ readonly churn: number }> = {
  name: "connect",
  description: "Ramp to so many connections, hold them, and replace some every second.",
  connections: 1_000,
  options: [
    new Option("--churn <per-second>", "connections a second that leave and are replaced")
      .argParser(decimal(0, LIMITS.perSecondMax))
      .default(0),
  ],
  plan: (basics, { churn }) => connect(basics, { churnPerSecond: churn }),
};

const fanoutScenario: Scenario<PublishingOptions> = {
  name: "fanout",
  description: "One channel, everyone subscribes to it, a few others publish.",
  connections: 1_000,
  options: publishing,
  plan: (basics, options) => fanout(basics, publishingOf(options)),
};

const chatScenario: Scenario<{ readonly roomSize: number; readonly every: number }> = {
  name: "chat",
  description: "Many rooms of a few members; everyone writes to theirs.",
  connections: 1_000,
  options: [
    new Option("--room-size <count>", "members of a room").argParser(whole(1, 100_000)).default(10),
    new Option("--every <time>", "how often each member writes, on average")
      .argParser(time(1, 24 * HOUR_MS))
      .default(10_000, "10s"),
  ],
  plan: (basics, { roomSize, every }) => chat(basics, { size: roomSize, everyMs: every }),
};

const pingScenario: Scenario<{ readonly pingRate: number }> = {
  name: "ping",
  description: "Round trips from many connections.",
  connections: 100,
  options: [
    new Option("--ping-rate <per-second>", "round trips a second, of all together")
      .argParser(decimal(0.01, LIMITS.perSecondMax))
      .default(100),
  ],
  plan: (basics, { pingRate }) => ping(basics, { pingsPerSecond: pingRate }),
};

const recoverScenario: Scenario<PublishingOptions & DroppingOptions & { readonly share: number }> =
  {
    name: "recover",
    description:
      "A fan-out; a share of the subscribers is cut off at once, misses what is published, and comes back.",
    connections: 1_000,
    options: [
      ...publishing,
      new Option("--share <part>", "0 to 1").argParser(decimal(0, 1)).default(0.2),
      ...dropping,
    ],
    plan: (basics, options) =>
      recover(basics, publishingOf(options), { ...droppingOf(options), share: options.share }),
  };

const stormScenario: Scenario<PublishingOptions & DroppingOptions> = {
  name: "storm",
  description: "A fan-out; all subscribers are cut off at once and come back.",
  connections: 1_000,
  options: [...publishing, ...dropping],
  plan: (basics, options) => storm(basics, publishingOf(options), droppingOf(options)),
};

const idleScenario: Scenario<{ readonly subscribe: boolean }> = {
  name: "idle",
  description: "Connections that do nothing: memory and CPU of one, with --metrics or --pid.",
  connections: 1_000,
  options: [new Option("--subscribe", "each subscribes to its own channel").default(false)],
  plan: (basics, { subscribe }) => idle(basics, { subscribes: subscribe }),
};

/** Adds the command to the program; `done` takes the exit status. */
export function addBench(program: Command, host: Host, done: (code: number) => void): void {
  const bench = program
    .command("bench")
    .description(
      "Put a server under load and measure it: ours, or one that speaks another protocol.",
    )
    .addHelpText(
      "after",
      "\nExit status: 0 measured, and every --slo met; 1 a worker failed; 2 arguments refused; 3 nobody could connect, or was let in; 4 measured, and an --slo missed.\n",
    );
  const output = { writeOut: host.out, writeErr: host.err };
  const finish = (command: Command) =>
    command
      .configureOutput(output)
      .exitOverride()
      .showHelpAfterError("(--help shows what there is)");
  const add = <O>(scenario: Scenario<O>) => {
    const command = withSizeOptions(
      bench.command(scenario.name).description(scenario.description),
      scenario,
    );
    for (const option of scenario.options) command.addOption(option);
    finish(withReportOptions(withCarryOptions(command))).action(
      async (urls: readonly string[], options: Options & O) =>
        done(
          await guarded(host, async () =>
            runBench(
              scenario.plan(await basicsOf(options, urls, host), options),
              [],
              options,
              host,
            ),
          ),
        ),
    );
  };
  add(connectScenario);
  add(fanoutScenario);
  add(chatScenario);
  add(pingScenario);
  add(recoverScenario);
  add(stormScenario);
  add(idleScenario);
  finish(
    withReportOptions(
      withCarryOptions(
        bench
          .command("scenario")
          .description("Run a scenario file: groups of connections, phases, objectives.")
          .argument("<file>", "YAML; docs/reference/scenario-file.md"),
      ),
    ),
  ).action(
    async (
      file: string,
      urls: readonly string[],
      options: CarryOptions & ReportOptions,
      command: Command,
    ) =>
      done(
        await guarded(host, () =>
          runScenario(
            { file, urls, isGiven: (name) => command.getOptionValueSource(name) === "cli" },
            options,
            host,
          ),
        ),
      ),
  );
  finish(bench);
  // A worker process: its parent talks with it, and it ends with its parent.
  program.command("bench-worker", { hidden: true }).action(async () => {
    workAsWorker(process);
    await new Promise<never>(() => {});
  });
}

/** A file's scenario. Values of the command line win over those of the file. */
async function runScenario(
  given: {
    readonly file: string;
    readonly urls: readonly string[];
    readonly isGiven: (option: keyof CarryOptions) => boolean;
  },
  options: CarryOptions & ReportOptions,
  host: Host,
): Promise<number> {
  const token = await tokenOf(options.tokenFile, host);
  const { plan, slos } = readScenario(
    await textOf(given.file, host),
    targetOf(options, given.urls, token),
  );
  const { isGiven } = given;
  const target: Target = {
    ...plan.target,
    verifiesTls: options.tlsVerify,
    comesBack: options.reconnect,
    handshakeMsMax: options.handshakeTimeout,
    ...(given.urls.length > 0 ? { urls: given.urls } : {}),
    ...(isGiven("driver") ? { driver: options.driver } : {}),
    ...(isGiven("codec") ? { codec: options.codec } : {}),
    ...(isGiven("source") ? { sources: options.source } : {}),
    ...(token === undefined ? {} : { token }),
  };
  const changed: LoadPlan = {
    ...plan,
    target,
    ...(isGiven("workers") ? { workers: options.workers } : {}),
    ...(isGiven("seed") ? { seed: options.seed } : {}),
    ...(isGiven("payloadBytes") || isGiven("payload") ? { payload: payloadOf(options) } : {}),
    observe: {
      metricsUrls: [...plan.observe.metricsUrls, ...options.metrics],
      pids: [...plan.observe.pids, ...options.pid],
    },
  };
  return runBench(changed, slos, options, host);
}

async function textOf(file: string, host: Host): Promise<string> {
  try {
    return await readFile(resolve(host.cwd, file), "utf8");
  } catch (error) {
    throw new LoadError(
      "scenario_invalid",
      `Cannot read the scenario: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Errors in the arguments are reported, not thrown. */
async function guarded(host: Host, act: () => Promise<number>): Promise<number> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof LoadError)) throw error;
    host.err(`${error.message}\n`);
    return EXIT.refused;
  }
}

async function basicsOf(options: Options, urls: readonly string[], host: Host): Promise<Basics> {
  return {
    target: targetOf(options, urls, await tokenOf(options.tokenFile, host)),
    connections: options.connections,
    connectsPerSecond: options.rate,
    workers: options.workers,
    seed: options.seed,
    payload: payloadOf(options),
    observe: { metricsUrls: options.metrics, pids: options.pid },
    ms: options.duration,
    warmUpMs: options.warmUp,
    think: options.think,
    // Names of Pusher channels have no colons; in a contract, parameters stand between colons.
    channel:
      options.channel ?? (options.driver === "pusher" ? "bench-{run}-{n}" : "bench:{run}:{n}"),
  };
}
