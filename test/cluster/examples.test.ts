// Checks that the chart's example for a laptop is installed as its comments say, and works: the one
// that needs nothing but a cluster. The others need a Redis, gateways or clouds.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { ClusterCommands } from "@holdfast/lab";
import { ensurePrograms } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(240_000));

const NAMESPACE = "laptop";
const CHART = join(import.meta.dir, "../../deploy/chart");
const WAIT_SECONDS = Math.ceil(patience(150_000) / 1000);

let commands: ClusterCommands;
const kubectl = (...args: readonly string[]): Promise<string> =>
  commands.kubectl(["--namespace", NAMESPACE, ...args], { timeoutMs: patience(200_000) });
const helm = (...args: readonly string[]): Promise<string> =>
  commands.helm([...args, "--namespace", NAMESPACE], { timeoutMs: patience(200_000) });

beforeAll(async () => {
  const { kubernetes } = await ensurePrograms();
  const { kubeconfig } = PATHS;
  commands = new ClusterCommands({
    kubeconfig,
    kubectl: [kubernetes, "kubectl", "--kubeconfig", kubeconfig],
    helm: process.env.HELM ?? "helm",
  });
  await kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait");
  await kubectl("create", "namespace", NAMESPACE);
  const enforced = "pod-security.kubernetes.io/enforce=restricted";
  await kubectl("label", "namespace", NAMESPACE, enforced);
});
afterAll(async () => {
  await kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false");
});

test("the example for a laptop: helm install, helm test, helm uninstall", async () => {
  await kubectl(
    ...["create", "secret", "generic", "holdfast"],
    `--from-literal=resumeSecret=${crypto.randomUUID()}${crypto.randomUUID()}`,
    `--from-literal=valkeyPassword=${crypto.randomUUID()}`,
  );
  const values = join(CHART, "examples/laptop.yaml");
  await helm("install", "rt", CHART, "-f", values, "--wait", "--timeout", `${WAIT_SECONDS}s`);
  expect(await helm("test", "rt")).toMatch(/Phase: +Succeeded/);
  await helm("uninstall", "rt");
});
