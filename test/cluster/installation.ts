// Owns: the chart on a real Kubernetes as the tests of this folder use it: some clients, and steps
// in which nothing may be lost.
import { expect } from "bun:test";
import { ChartInstallation, ClusterCommands, type StepResult, type Values } from "@holdfast/lab";
import { ensurePrograms } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";

export { isReady, type Values, waitingFor } from "@holdfast/lab";

const READY_MS = patience(120_000);
const HELM_MS = patience(180_000);

export interface InstallationOptions {
  /** A machine that gets no pod meanwhile, so that the trial broker is on another. */
  readonly avoiding?: string;
  /** Over those of all tests, in every upgrade too. */
  readonly values?: Values;
  /** What the chart needs to be there. */
  readonly before?: (installation: Installation) => Promise<void>;
}

export class Installation extends ChartInstallation {
  /** Installs the chart and resolves when its pods are ready and the clients connected. */
  static async begin(
    namespace: string,
    { avoiding, values = {}, before }: InstallationOptions = {},
  ): Promise<Installation> {
    const { kubernetes } = await ensurePrograms();
    const { kubeconfig } = PATHS;
    const commands = new ClusterCommands({
      kubeconfig,
      kubectl: [kubernetes, "kubectl", "--kubeconfig", kubeconfig],
      helm: process.env.HELM ?? "helm",
    });
    const installation = new Installation({
      commands,
      namespace,
      crowd: {
        size: { clients: 120, channels: 30, seed: 10 },
        workers: 1,
        rival: "holdfast",
        connectsPerSecond: 60,
        publishesPerSecond: 40,
      },
      values,
      readyMs: READY_MS,
      commandMs: HELM_MS,
    });
    try {
      await installation.createNamespace();
      await before?.(installation);
      if (avoiding !== undefined) await installation.kubectl("cordon", avoiding);
      await installation.install();
      await installation.connect();
      return installation;
    } catch (error) {
      await installation.end();
      throw error;
    } finally {
      if (avoiding !== undefined) await installation.kubectl("uncordon", avoiding);
    }
  }

  /**
   * Does something while the clients publish, and accounts for every publication. Whatever happens,
   * nothing may be lost, doubled or out of order. In a drain no application may see a disconnect.
   */
  async step(
    title: string,
    act: () => Promise<void>,
    { isDrain = true } = {},
  ): Promise<StepResult> {
    const timeLimitMs = Number.POSITIVE_INFINITY;
    const result = await this.measure({
      ...{ name: title, title, isDrain, mayLoseData: false, timeLimitMs, act },
    });
    const { acknowledged } = result.published;
    const { doneMs, moves, attempts, delivered, reconnects, longestTransit } = result;
    const figures = [
      `${Math.round(doneMs / 1000)} s, ${acknowledged} published, ${delivered} delivered`,
      `${moves} moves, ${reconnects} reconnects, ${attempts} attempts`,
      `longest pause p99 ${longestTransit.p99Ms} ms, worst ${longestTransit.maxMs} ms`,
    ];
    console.log(`  ${title}: ${figures.join(", ")}`);
    expect({ title, failures: result.failures, notes: result.notes }).toEqual({
      title,
      failures: [],
      notes: [],
    });
    return result;
  }
}
