// Checks a gateway's discovery against a real API server and its endpoint controllers: pods that
// come, terminate and go, a Service with another one beside it, and a connection that is cut.
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { KubernetesDiscovery } from "@holdfast/gateway";
import {
  type ClusterAccess,
  createKubeApi,
  credentialsSource,
  readKubeconfig,
} from "@holdfast/kube";
import { eventually } from "@holdfast/lab";
import type { Endpoint } from "@holdfast/rehoming";
import { kubectl } from "../../tools/cluster/control-plane.ts";
import { PAUSE_IMAGE } from "../../tools/cluster/node.ts";
import { ensurePrograms, type Programs } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";
import { type Cable, cableTo } from "./cable.ts";

setDefaultTimeout(patience(60_000));

const NAMESPACE = "discovery";
const labels = { app: "game" };
let programs: Programs;
let access: ClusterAccess;
let cable: Cable;
const running: KubernetesDiscovery[] = [];

const kube = (...args: readonly string[]): Promise<string> =>
  kubectl(programs, ["--namespace", NAMESPACE, ...args], { timeoutMs: patience(60_000) });

const service = (name: string, selector: object): object => ({
  ...{ apiVersion: "v1", kind: "Service", metadata: { name } },
  spec: { selector, ports: [{ name: "ws", port: 80, targetPort: 7000 }] },
});
const OBJECTS = {
  ...{ apiVersion: "v1", kind: "List" },
  items: [
    service("game", labels),
    service("game-receiving", { ...labels, receives: "true" }),
    {
      ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name: "game" } },
      spec: {
        ...{ replicas: 2, selector: { matchLabels: labels } },
        template: {
          metadata: { labels: { ...labels, receives: "true" } },
          spec: {
            terminationGracePeriodSeconds: 30,
            containers: [
              {
                ...{ name: "server", image: PAUSE_IMAGE, imagePullPolicy: "Never" },
                lifecycle: { preStop: { sleep: { seconds: 3 } } },
              },
            ],
          },
        },
      },
    },
  ],
};

/** A discovery of the Service, and every list that it told. */
function discover(receiving?: string) {
  const api = createKubeApi(access, credentialsSource(access, { env: process.env }), {
    fieldManager: "gateway",
  });
  const told: (readonly Endpoint[])[] = [];
  const discovery = new KubernetesDiscovery({
    ...{ api, namespace: NAMESPACE, name: "game", port: "ws", receiving },
    backoff: { firstMs: 50, maxMs: 500 },
  });
  running.push(discovery);
  discovery.start((endpoints) => told.push(endpoints));
  const becomes = (what: string, isIt: (endpoints: readonly Endpoint[]) => boolean) =>
    eventually(what, async () => told.length > 0 && isIt(told.at(-1) ?? []), {
      ...{ timeoutMs: patience(30_000), everyMs: 20 },
    });
  return { discovery, told, becomes };
}
const taking = (endpoints: readonly Endpoint[]) => endpoints.filter(({ takes }) => takes);
const leaving = (endpoints: readonly Endpoint[]) => endpoints.filter(({ leaves }) => leaves);

async function addresses(): Promise<readonly string[]> {
  const ips = await kube(
    "get",
    "pods",
    "-l",
    "app=game",
    "-o",
    "jsonpath={.items[*].status.podIP}",
  );
  return ips
    .split(" ")
    .map((ip) => `${ip}:7000`)
    .sort();
}

beforeAll(async () => {
  programs = await ensurePrograms();
  const text = readFileSync(PATHS.kubeconfig, "utf8");
  const direct = readKubeconfig([{ path: PATHS.kubeconfig, text }]);
  cable = cableTo(new URL(direct.server));
  access = { ...direct, server: `https://127.0.0.1:${cable.port}` };
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait");
  await kube("create", "namespace", NAMESPACE);
  await kubectl(programs, ["--namespace", NAMESPACE, "create", "-f", "-"], {
    stdin: JSON.stringify(OBJECTS),
  });
  await kube("rollout", "status", "deployment/game", "--timeout=60s");
});
afterEach(() => {
  for (const one of running.splice(0)) one.stop();
  cable.mend();
});
afterAll(async () => {
  cable?.stop();
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false");
});

test("pods take clients, leave while they still run, and are gone", async () => {
  const { told, becomes, discovery } = discover();
  await becomes("both pods", (endpoints) => taking(endpoints).length === 2);
  expect(told.at(-1)?.map(({ address }) => address)).toEqual([...(await addresses())]);
  expect(discovery.trouble).toBeUndefined();
  await kube("scale", "deployment/game", "--replicas=1");
  await becomes("one pod leaves", (endpoints) => leaving(endpoints).length === 1);
  expect(taking(told.at(-1) ?? [])).toHaveLength(1);
  // It sleeps in its preStop hook.
  expect(await addresses()).toHaveLength(2);
  await becomes("one pod is left", (endpoints) => endpoints.length === 1);
  // Nobody was gone without having been leaving.
  for (const [before, after] of told.slice(1).map((now, index) => [told[index] ?? [], now]))
    for (const { address, leaves } of before ?? [])
      expect(leaves === true || after?.some((one) => one.address === address)).toBe(true);
  await kube("scale", "deployment/game", "--replicas=2");
  await becomes("two pods again", (endpoints) => taking(endpoints).length === 2);
});

test("a label that a second Service selects says which pods take new clients", async () => {
  const { becomes } = discover("game-receiving");
  await becomes("both pods", (endpoints) => taking(endpoints).length === 2);
  const [name = ""] = (await kube("get", "pods", "-o", "name")).trim().split("\n");
  await kube("label", name, "receives-");
  await becomes(
    "one takes nobody and keeps its clients",
    (endpoints) =>
      taking(endpoints).length === 1 && endpoints.length === 2 && leaving(endpoints).length === 0,
  );
  await kube("label", name, "receives=true");
  await becomes("both take clients", (endpoints) => taking(endpoints).length === 2);
});

test("an API server that is away takes nobody away, and what it missed is told", async () => {
  const { told, becomes, discovery } = discover();
  await becomes("both pods", (endpoints) => taking(endpoints).length === 2);
  const count = told.length;
  cable.refuse();
  await eventually("that is trouble", async () => discovery.trouble !== undefined, {
    ...{ timeoutMs: patience(30_000), everyMs: 20 },
  });
  expect(told.length).toBe(count);
  await kube("scale", "deployment/game", "--replicas=3");
  cable.mend();
  await becomes("the third pod", (endpoints) => taking(endpoints).length === 3);
  expect(discovery.trouble).toBeUndefined();
});
