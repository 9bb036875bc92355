// Owns: the hidden command `dev-node`: a node process of `holdfast dev`. It uses the supervisor's
// broker and obeys the supervisor.

import type { ContractDefinition } from "@holdfast/contract";
import type { Broker } from "@holdfast/core";
import { demoContract } from "@holdfast/demo";
import type { SeenRecord } from "@holdfast/pipelines";
import {
  connectLink,
  createNode,
  type HoldfastNode,
  parseLink,
  StartError,
  systemClock,
  systemRandom,
} from "@holdfast/server";
import { type Arguments, DEV_LINK_VARIABLE, readConfiguration } from "../configuration.ts";
import { ContractFileError, contractPath, loadContractFile } from "../contract-file.ts";
import { type AppEvents, appEvents } from "../events.ts";
import { EXIT } from "../exit-code.ts";
import type { Host, Parent } from "../host.ts";
import { untilStopped, watchFaults } from "../lifecycle.ts";
import { createAppLogger } from "../logging.ts";
import { pipelinesOf } from "../pipeline/load.ts";
import { targetsOf } from "../pipeline/targets.ts";
import { isTemporary } from "../serve-command.ts";
import { VERSION } from "../version.ts";
import { devDefaults } from "./defaults.ts";
import { liveOf } from "./live.ts";
import { devPage } from "./page.ts";

/** What the supervisor tells the node in addition to its options. */
export interface DevNodeOptions {
  /** How many nodes there are. */
  readonly nodes: number;
  /** False if other machines can reach the node: then nobody may order a restart over HTTP. */
  readonly takesOrders: boolean;
}

/** Runs until the supervisor retires or ends it, or is gone. */
export async function runDevNode(
  args: Arguments,
  { nodes, takesOrders }: DevNodeOptions,
  host: Host,
): Promise<number> {
  const link = host.env[DEV_LINK_VARIABLE];
  const { parent } = host;
  if (parent === undefined || link === undefined) {
    host.err("dev-node is started by `holdfast dev`\n");
    return EXIT.refused;
  }
  const configuration = await readConfiguration(args, host, devDefaults(nodes));
  if (!configuration.ok) return refuse(parent, "start", [configuration.message], EXIT.refused);
  const nodeId = configuration.config.nodeId ?? `node-${systemRandom.id().slice(0, 8)}`;
  const config = { ...configuration.config, nodeId };
  const logger = createAppLogger(config, host);
  const events = appEvents(logger);
  watchFaults(host, events);
  const stop = listenToSupervisor(host, parent, events);
  let node: HoldfastNode | undefined;
  try {
    const path = contractPath(config.contract, host.cwd);
    const declared: ContractDefinition =
      path === undefined ? demoContract : await loadContractFile(path);
    const others = await pipelinesOf(config.pipelines, host);
    const { contract, live } = liveOf(declared, others);
    const page = devPage({
      demo: path === undefined,
      contract: declared,
      live: live !== undefined,
      nodes,
      figures: () => node?.control.nodes() ?? [],
      restart:
        takesOrders && isLoopback(config.host) ? () => parent.send({ kind: "restart" }) : undefined,
    });
    const broker: Broker = await connectLink({
      endpoint: parseLink(link),
      nodeId,
      clock: systemClock,
      random: systemRandom,
    });
    const secret = (name: string): string | undefined => host.env[name];
    const targets = await targetsOf(contract, config.pipelines, host);
    const seen = live === undefined ? {} : { seen: (record: SeenRecord) => live.seen(record) };
    const more = { contract, page, broker, ...others, ...targets, secret, ...seen };
    const started = await createNode({ config, logger, version: VERSION, ...more });
    node = started;
    await started.start();
    live?.start(started);
    stop.ends(async () => {
      live?.stop();
      await started.stop();
    });
    parent.send({ kind: "ready", port: started.port, internalPort: started.internalPort });
    return await untilStopped({
      node: started,
      events,
      drain: () => config.drain,
      onStop: stop.onRetire,
    });
  } catch (error) {
    if (error instanceof ContractFileError)
      return refuse(parent, "contract", [error.message], EXIT.refused);
    if (error instanceof StartError) {
      const contract = error.code === "contract_invalid";
      return refuse(
        parent,
        contract ? "contract" : "start",
        error.problems,
        isTemporary(error) ? EXIT.unavailable : EXIT.refused,
      );
    }
    throw error;
  } finally {
    logger.flush();
  }
}

/** Whether only this machine can connect to what listens there. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

function refuse(
  parent: Parent,
  cause: "contract" | "start",
  problems: readonly string[],
  code: number,
): number {
  parent.send({ kind: "refused", cause, problems });
  return code;
}

/** Time limit of a node that was told to end now. */
const END_MS = 1000;

/**
 * With SIGTERM the supervisor tells the node to move all clients away. Ctrl-C reaches this process
 * too, as part of the terminal's group. The node ignores it: the supervisor decides. If the
 * supervisor is gone, or tells it to, the node ends at once.
 */
function listenToSupervisor(host: Host, parent: Parent, events: AppEvents) {
  let end: () => Promise<void> = async () => {};
  let retire: ((signal: "SIGTERM", count: number) => void) | undefined;
  let retired = false;
  const endNow = async (code: number) => {
    await Promise.race([end().catch(() => {}), Bun.sleep(END_MS)]);
    host.exit(code);
  };
  host.onSignal((signal) => {
    if (signal !== "SIGTERM" || retired) return;
    retired = true;
    if (retire === undefined) void endNow(EXIT.ok);
    else retire("SIGTERM", 1);
  });
  parent.onMessage(() => void endNow(EXIT.ok));
  parent.onGone(() => {
    events.parentGone();
    void endNow(EXIT.failed);
  });
  return {
    ends(task: () => Promise<void>): void {
      end = task;
    },
    onRetire(listener: (signal: "SIGTERM", count: number) => void): void {
      retire = listener;
    },
  };
}
