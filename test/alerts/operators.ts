// Owns: operators that alerts and dashboards watch in tests: a real one that reaches no API server,
// and a page with every series of one that leads, for queries alone.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OPERATOR_METRICS, type OperatorLabel } from "@holdfast/operator-runtime";
import { freePort } from "../free-port.ts";
import { startCommand } from "../integration/command.ts";

export interface WatchedOperator {
  readonly internalUrl: string;
  readonly pod: string;
  readonly namespace: string;
  stop(): Promise<void>;
}

/** `holdfast operator` whose API server is away. */
export async function startCutOffOperator(): Promise<WatchedOperator> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-operator-"));
  const [port, nobody] = [await freePort(), await freePort()];
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "away", cluster: { server: `https://127.0.0.1:${nobody}` } }],
    users: [{ name: "user", user: { token: "of these tests" } }],
    contexts: [{ name: "away", context: { cluster: "away", user: "user" } }],
    "current-context": "away",
  };
  writeFileSync(join(folder, "kubeconfig"), JSON.stringify(config));
  const command = startCommand(["operator", "--kubeconfig", join(folder, "kubeconfig")], {
    env: {
      HOLDFAST_OPERATOR_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_OPERATOR_INTERNAL_PORT: String(port),
    },
  });
  await command.until((output) => output.includes('"operator_started"'));
  return {
    ...{ internalUrl: `http://127.0.0.1:${port}`, pod: "pod-cut-off", namespace: "cut-off" },
    async stop() {
      command.signal("SIGTERM");
      await command.ended();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A value for each label. */
const LABELS: Readonly<Record<OperatorLabel, readonly string[]>> = {
  set: ["shop/rt"],
  event: ["listed"],
  outcome: ["done", "answered", "key", "written"],
  action: ["set-status"],
  kind: ["pods"],
  state: ["Waiting", "advancing", "rolling-back", "good", "waiting"],
  revision: ["aa", "bb"],
  reason: ["RolledBack"],
  side: ["canary", "stable"],
  call: ["GetMetrics"],
  signal: ["slow", "resumesFailed"],
};
/** All others are 0: nothing is wrong. */
const ONE = /leads|sets|_replicas$|connections$|_pods$|_minutes$|_resumes$/;

/** A page with every row of the table. */
export function startOperatorPage(): WatchedOperator {
  const lines = Object.entries(OPERATOR_METRICS).flatMap(([name, { type, labels }]) => {
    const value = ONE.test(name) ? 1 : 0;
    const series = labels.reduce<readonly string[]>(
      (all, label) =>
        all.flatMap((one) => LABELS[label].map((text) => `${one}${label}="${text}",`)),
      [""],
    );
    return type === "histogram"
      ? [`${name}_bucket{le="+Inf"} 1`, `${name}_sum 1`, `${name}_count 1`]
      : series.map((inside) => `${name}{${inside}} ${value}`);
  });
  const server = Bun.serve({
    ...{ hostname: "127.0.0.1", port: 0 },
    fetch: () =>
      new Response(`${lines.join("\n")}\n`, {
        headers: { "content-type": "text/plain; version=0.0.4" },
      }),
  });
  return {
    ...{ internalUrl: `http://127.0.0.1:${server.port}`, pod: "pod-operator", namespace: "leads" },
    stop: () => server.stop(true),
  };
}
