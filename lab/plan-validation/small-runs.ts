// Owns: the runs with 1,000 clients of the real SDK: two steps of the proof, and the model's
// prediction of them.
import { join } from "node:path";
import { serverWindowMs } from "@holdfast/core";
import {
  type Calibration,
  costsOf,
  loadOfNode,
  NODE_SETTINGS,
  receiverOf,
  SCENARIO_DEFAULTS,
  type Scenario,
  simulateRollingDeploy,
  windowsKnown,
} from "@holdfast/plan";
import { BenchError } from "../micro/bench-error.ts";
import type { ProofResult, StepResult } from "../prove/result.ts";
import { predictedMassReconnects } from "./large-runs.ts";
import { type Figure, figure } from "./result.ts";

const PROGRAM = join(import.meta.dir, "../prove.ts");
/** As in the proof's own nodes (lab/prove/fleet.ts). */
const PRE_DELAY_MS = 500;
const WINDOW_MS = 20_000;
const LOOPBACK_MS = 0.3;
const HORIZON_MS = 120_000;

export interface SmallOptions {
  readonly calibration: Calibration;
  readonly folder: string;
  readonly clients: number;
  /** How long a node takes to start. */
  readonly startMs: number;
}

export async function smallRuns({
  calibration,
  folder,
  clients,
  startMs,
}: SmallOptions): Promise<readonly Figure[]> {
  const proof = await prove(folder, clients);
  return [...rollingDeployFigures(proof, calibration, startMs), ...killFigures(proof, calibration)];
}

async function prove(folder: string, clients: number): Promise<ProofResult> {
  const json = join(folder, "proof.json");
  const args = [
    "--only",
    "rolling-restart,kill",
    "--broker",
    "link",
    "--clients",
    String(clients),
    "--json",
    json,
    "--html",
    join(folder, "proof.html"),
  ];
  const child = Bun.spawn([process.execPath, PROGRAM, ...args], {
    stdout: "ignore",
    stderr: "inherit",
  });
  const status = await child.exited;
  if (status !== 0)
    throw new BenchError(
      "child_failed",
      `Cannot compare: the proof ended with status ${status}, expected 0`,
    );
  return Bun.file(json).json();
}

function rollingDeployFigures(
  proof: ProofResult,
  calibration: Calibration,
  startMs: number,
): readonly Figure[] {
  const step = stepOf(proof, "rolling-restart");
  const scenario = scenarioOf(proof);
  const predicted = simulateRollingDeploy({
    sessions: proof.clients,
    nodes: proof.nodes,
    node: {
      receiver: receiverOf(scenario),
      costs: costsOf(scenario, calibration),
      background: backgroundOf(scenario, calibration, proof.nodes),
    },
    balancer: "least-connections",
    startMs,
    preDelayMs: PRE_DELAY_MS,
    windowMs: WINDOW_MS,
    perSecondMax: proof.handshakesPerSecond,
    connectTimeoutMs: NODE_SETTINGS.connectTimeoutMs,
    networkMs: LOOPBACK_MS,
    eventsMax: 5_000_000,
    seed: 1,
  });
  const run = `${proof.clients.toLocaleString("en-US")} clients of the SDK, rolling restart of ${proof.nodes} nodes`;
  return [
    figure(run, "whole time, starts of nodes as measured", "s", {
      predicted: predicted.tookMs / 1000,
      measured: step.doneMs / 1000,
    }),
    figure(run, "moves for each session", "", {
      predicted: predicted.movesPerSession,
      measured: step.moves / proof.clients,
    }),
    figure(run, "attempts for each move", "", {
      predicted: predicted.attemptsPerMove,
      measured: step.attempts / Math.max(1, step.moves),
    }),
    figure(run, "peak connections of a node", "/s", {
      predicted: predicted.attemptsPerSecondMax,
      measured: step.peakOfNode,
    }),
  ];
}

function killFigures(proof: ProofResult, calibration: Calibration): readonly Figure[] {
  const step = stepOf(proof, "kill");
  const scenario = scenarioOf(proof);
  const left = proof.nodes - 1;
  const lost = step.reconnects;
  const massReconnects = predictedMassReconnects({
    clients: lost,
    nodes: left,
    balancer: "least-connections",
    receiver: receiverOf(scenario),
    costs: costsOf(scenario, calibration),
    background: backgroundOf(scenario, calibration, left),
    ...windowsKnown(
      serverWindowMs(lost, left * proof.handshakesPerSecond, NODE_SETTINGS.windowMinMs),
    ),
    connectTimeoutMs: NODE_SETTINGS.connectTimeoutMs,
    networkMs: LOOPBACK_MS,
    horizonMs: HORIZON_MS,
    eventsMax: 5_000_000,
    seed: 1,
  });
  const run = `${proof.clients.toLocaleString("en-US")} clients of the SDK, one of ${proof.nodes} nodes killed`;
  return [
    figure(run, "everyone back", "s", {
      predicted: massReconnects.map(({ backMs }) => (backMs ?? HORIZON_MS) / 1000),
      measured: (step.backMs ?? 0) / 1000,
    }),
    figure(run, "attempts for each client", "", {
      predicted: massReconnects.map(({ attemptsPerClient }) => attemptsPerClient),
      measured: attemptsUntilBack(step) / Math.max(1, lost),
    }),
  ];
}

/**
 * Connections that the balancer handed over from the kill until everyone was back; then a new node
 * comes, and sessions move there.
 */
function attemptsUntilBack({ chart, backMs = 0 }: StepResult): number {
  const fromMs = chart.marks.find(({ text }) => text.startsWith("kill"))?.atMs ?? 0;
  const inTime = chart.handshakes.filter(
    ({ place }) =>
      place * chart.bucketMs >= fromMs - chart.bucketMs &&
      place * chart.bucketMs <= fromMs + backMs,
  );
  return inTime.reduce((sum, { count }) => sum + count, 0);
}

function scenarioOf({
  clients,
  subscriptions,
  channels,
  publishesPerSecond,
  handshakesPerSecond,
  nodes,
}: ProofResult): Scenario {
  return {
    demand: {
      ...SCENARIO_DEFAULTS.demand,
      clients,
      publishesPerSecond,
      roomSize: subscriptions / channels,
      roomsPerClient: subscriptions / clients,
    },
    node: { ...SCENARIO_DEFAULTS.node, handshakesPerSecond },
    fleet: { ...SCENARIO_DEFAULTS.fleet, nodes },
  };
}

const backgroundOf = (scenario: Scenario, calibration: Calibration, nodes: number): number =>
  loadOfNode({ ...scenario, calibration }, nodes).cpuShare;

function stepOf(proof: ProofResult, name: string): StepResult {
  const step = proof.steps.find((one) => one.name === name);
  if (step === undefined)
    throw new BenchError("child_failed", `Cannot compare: found no step ${name} in the proof`);
  return step;
}
