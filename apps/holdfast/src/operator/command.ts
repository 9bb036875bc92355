// Owns: `holdfast operator`: the operator in this process, until a signal ends it.
import { formatProblems, loadConfig, optionRows } from "@holdfast/config";
import { ClusterError, createKubeApi, credentialsSource } from "@holdfast/kube";
import { Operator } from "@holdfast/operator-runtime";
import { type Command, Option } from "commander";
import { accessOf, type ClusterFlags } from "../doctor-sources.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { createAppLogger } from "../logging.ts";
import { holdSignals } from "../signals.ts";
import { bothHear, operatorLog } from "./events.ts";
import { listen } from "./listener.ts";
import { createOperatorMetrics, type OperatorMetrics } from "./metrics.ts";
import { OPERATOR_OPTIONS, type OperatorConfig } from "./options.ts";
import { ScalerTerm } from "./scaler/term.ts";

type Flags = ClusterFlags & Readonly<Record<string, unknown>>;

/** Adds the command to the program. */
export function addOperator(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command("operator")
    .description(
      "Run the Kubernetes operator: RealtimeSets whose releases, scale-downs and machine drains follow the connections.",
    )
    .option("--context <name>", "of the kubeconfig; the current one when absent")
    .option("--kubeconfig <file>", "instead of KUBECONFIG, ~/.kube/config or the pod's own access");
  for (const { flag, option, env } of optionRows(OPERATOR_OPTIONS))
    if (flag !== undefined)
      command.addOption(new Option(`${flag} <value>`, `${option.description} [${env}]`));
  command.action(async (flags: Flags) => done(await runOperator(flags, host)));
}

async function runOperator(flags: Flags, host: Host): Promise<number> {
  const signals = holdSignals(host);
  const read = loadConfig(OPERATOR_OPTIONS, { env: host.env, flags: givenFlags(flags) });
  if (!read.ok) {
    host.err(`The operator cannot be configured so:\n${formatProblems(read.problems)}\n`);
    return EXIT.refused;
  }
  const { config } = read;
  const logger = createAppLogger(config, host);
  const log = operatorLog(logger);
  host.onFault((kind, error) => {
    if (kind === "rejection") return log.rejection(error);
    log.exception(error);
    host.exit(EXIT.failed);
  });
  try {
    return await run({ config, flags, host, log, stop: signals.stop });
  } catch (error) {
    if (!(error instanceof ClusterError)) throw error;
    host.err(`${error.message}\n`);
    return error.code === "unreachable" ? EXIT.unavailable : EXIT.refused;
  } finally {
    logger.flush();
  }
}

interface Running {
  readonly config: OperatorConfig;
  readonly flags: Flags;
  readonly host: Host;
  readonly log: ReturnType<typeof operatorLog>;
  readonly stop: Promise<string>;
}

async function run({ config, flags, host, log, stop }: Running): Promise<number> {
  const access = await accessOf(flags, host);
  const namespace =
    config.leaseNamespace ?? host.env.POD_NAMESPACE ?? access.namespace ?? "default";
  const identity = config.identity ?? host.env.POD_NAME ?? `operator-${crypto.randomUUID()}`;
  const api = createKubeApi(access, credentialsSource(access, { env: host.env }), {
    fieldManager: "holdfast-operator",
  });
  const metrics = createOperatorMetrics();
  const events = bothHear(log.events, metrics.events);
  const operator = new Operator({
    ...{ api, identity, namespaces: config.namespaces },
    lease: { namespace, name: config.leaseName },
    events: {
      ...events,
      leads: (epoch) => {
        events.leads(epoch);
        scaler?.begin();
      },
      lost: (because) => {
        scaler?.end();
        events.lost(because);
      },
    },
  });
  const scaler = scalerOf({ config, log, metrics, operator });
  const { internalHost, internalPort } = config;
  let listener: ReturnType<typeof listen>;
  try {
    const state = () => operator.state;
    const streams = () => scaler?.server?.streams;
    listener = listen({ host: internalHost, port: internalPort, state, streams, metrics });
  } catch {
    host.err(`Cannot listen on ${internalHost}:${internalPort}: expected a free port\n`);
    return EXIT.unavailable;
  }
  operator.start();
  const namespaces = config.namespaces.join(",");
  log.started({ identity, namespaces, port: listener.port ?? internalPort });
  log.stopping({ signal: await stop });
  scaler?.end();
  await operator.stop();
  await listener.stop(true);
  log.stopped();
  return EXIT.ok;
}

interface ScalerNeeds extends Pick<Running, "config" | "log"> {
  readonly metrics: OperatorMetrics;
  readonly operator: Operator;
}

/** KEDA's external scaler, if it is asked for. */
function scalerOf({ config, log, metrics, operator }: ScalerNeeds): ScalerTerm | undefined {
  const { host, port, certFile, keyFile } = config.scaler;
  if (port === 0) return undefined;
  return new ScalerTerm({
    ...{ host, port, events: metrics, tell: log.scaler },
    ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
    demandOf: (place) => operator.demandOf(place),
  });
}

/** Flags by option name. */
function givenFlags(flags: Flags): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    optionRows(OPERATOR_OPTIONS).flatMap(({ name, flag }) => {
      const value = flag === undefined ? undefined : flags[new Option(flag).attributeName()];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
