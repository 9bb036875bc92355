// Checks the gateway on a real Kubernetes, as a team uses it for an application of its own. What
// kubectl does to the application's pods closes none of its clients, and loses none of their
// frames.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClusterCommands, eventually, type Pod } from "@holdfast/lab";
import { ensurePrograms } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";
import { isReady } from "./installation.ts";
import { IMAGE, plainApplication } from "./plain-application.ts";
import { type Account, PlainClients } from "./plain-clients.ts";

setDefaultTimeout(patience(120_000));

const CLIENTS = 120;
const FEW = 12;
const PODS = 3;
/** The application has a namespace of its own, and the gateway may watch that one alone. */
const [APPLICATION, GATEWAY] = ["gateway-app", "gateway"] as const;
const CHART = join(import.meta.dir, "../../deploy/gateway/chart");
/** A second, of one gateway. It closes 0.7 of them a second when it is replaced. */
const HANDSHAKES = 60;
const GATEWAYS = "app.kubernetes.io/component=gateway";
const LIMITS = { timeoutMs: patience(60_000), everyMs: 250 };
const VALUES = {
  replicas: 2,
  minReadySeconds: 0,
  clients: { perPod: 200, handshakesPerSecond: HANDSHAKES },
  drain: { preDelaySeconds: 2, windowSeconds: 10 },
  resources: {
    ...{ requests: { cpu: "50m", memory: "128Mi" }, limits: { cpu: "1", memory: "512Mi" } },
  },
  routes: [
    {
      ...{ name: "counter", path: "/ws", profile: "stateless" },
      service: { kubernetes: { namespace: APPLICATION, name: "counter", port: "ws" } },
    },
    {
      ...{ name: "undeclared", path: "/undeclared" },
      service: { kubernetes: { namespace: APPLICATION, name: "counter", port: 7000 } },
    },
  ],
};

const folder = mkdtempSync(join(tmpdir(), "holdfast-gateway-"));
let commands: ClusterCommands;
let clients: PlainClients;
/** They reach the application without the gateway. */
let others: PlainClients;
/** Their route declares no protocol. */
let undeclared: PlainClients;

const kubectl = (namespace: string, ...args: readonly string[]): Promise<string> =>
  commands.kubectl(["--namespace", namespace, ...args], { timeoutMs: patience(100_000) });
const app = (...args: readonly string[]): Promise<string> => kubectl(APPLICATION, ...args);
const helm = (...args: readonly string[]): Promise<string> =>
  commands.helm([...args, "--namespace", GATEWAY], { timeoutMs: patience(100_000) });

async function pods(namespace: string, selector: string): Promise<readonly Pod[]> {
  const list = await kubectl(namespace, "get", "pods", "--selector", selector, "-o", "json");
  return (JSON.parse(list) as { readonly items: readonly Pod[] }).items;
}
const names = async (): Promise<readonly string[]> =>
  (await pods(APPLICATION, "app=counter")).map(({ metadata }) => metadata.name).sort();

/** Resolves when so many pods serve and no other is left. */
const settled = (count: number, namespace: string, selector: string) =>
  eventually(
    `${count} pods are ready and none ends`,
    async () => {
      const all = await pods(namespace, selector);
      return all.length === count && all.every(isReady);
    },
    LIMITS,
  );
const appSettled = (count: number) => settled(count, APPLICATION, "app=counter");
const addressOf = (namespace: string, service: string): Promise<string> =>
  kubectl(namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}");
const busiest = (): readonly [pod: string, clients: number] =>
  [...clients.byPod()].sort((a, b) => b[1] - a[1])[0] ?? ["none", 0];

function valuesFile(more: object): string {
  const path = join(folder, "values.json");
  writeFileSync(path, JSON.stringify({ ...VALUES, ...more }));
  return path;
}

/** Whether a socket of this path opens. */
function opens(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    socket.onopen = () => {
      socket.close();
      resolve(true);
    };
    socket.onerror = () => resolve(false);
  });
}

/** Does something while the clients talk, and says what they felt. */
async function step(title: string, act: () => Promise<void>): Promise<Account> {
  clients.take();
  const startedMs = performance.now();
  await act();
  await clients.everybodyAnswered();
  const account = clients.take();
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  const { said, unanswered, doubled, moved, closes, waitMsMax } = account;
  console.log(
    `  ${title}: ${seconds} s, ${said} frames, ${unanswered} unanswered, ${doubled} doubled, ` +
      `${moved} moves, ${closes.length} closes, longest wait ${Math.round(waitMsMax)} ms`,
  );
  return account;
}
const felt = ({ closes, unanswered, doubled }: Account) => ({
  closes: closes.map(({ code }) => code),
  ...{ unanswered, doubled },
});
const NOTHING_FELT = { closes: [], unanswered: 0, doubled: 0 };

beforeAll(async () => {
  const { kubernetes } = await ensurePrograms();
  const { kubeconfig } = PATHS;
  commands = new ClusterCommands({
    kubeconfig,
    kubectl: [kubernetes, "kubectl", "--kubeconfig", kubeconfig],
    helm: process.env.HELM ?? "helm",
  });
  await commands.kubectl(
    ["delete", "namespace", APPLICATION, GATEWAY, "--ignore-not-found", "--wait"],
    { timeoutMs: patience(100_000) },
  );
  for (const namespace of [APPLICATION, GATEWAY]) {
    await commands.kubectl(["create", "namespace", namespace]);
    const enforced = "pod-security.kubernetes.io/enforce=restricted";
    await commands.kubectl(["label", "namespace", namespace, enforced]);
  }
  const application = plainApplication({
    ...{ name: "counter", image: IMAGE, replicas: PODS, preStopSeconds: 5 },
  });
  await commands.kubectl(["--namespace", APPLICATION, "create", "-f", "-"], {
    stdin: JSON.stringify(application),
  });
  // The gateway starts before its service has a pod.
  await helm("install", "gw", CHART, "--values", valuesFile({}));
  await app("rollout", "status", "deployment/counter", "--timeout=60s");
  await kubectl(GATEWAY, "rollout", "status", "deployment/gw-gateway", "--timeout=60s");
  const address = await addressOf(GATEWAY, "gw-gateway");
  const talk = { thinkMs: 100, patienceMs: patience(5000) };
  clients = new PlainClients({ ...talk, url: `ws://${address}/ws`, count: CLIENTS });
  undeclared = new PlainClients({ ...talk, url: `ws://${address}/undeclared`, count: FEW });
  const direct = await addressOf(APPLICATION, "counter");
  others = new PlainClients({ ...talk, url: `ws://${direct}/ws`, count: FEW });
  await Promise.all([clients.start(), others.start(), undeclared.start()]);
});
afterAll(async () => {
  clients?.end();
  others?.end();
  undeclared?.end();
  rmSync(folder, { recursive: true, force: true });
  await commands?.kubectl(
    ["delete", "namespace", APPLICATION, GATEWAY, "--ignore-not-found", "--wait=false"],
    { timeoutMs: patience(60_000) },
  );
});

test("helm test opens a socket through the gateway", async () => {
  expect(await helm("test", "gw")).toMatch(/Phase: +Succeeded/);
});

test("it may watch the endpoints of its route's namespace, and nothing else", async () => {
  const account = `--as=system:serviceaccount:${GATEWAY}:gw-gateway`;
  const may = async (namespace: string, verb: string, resource: string): Promise<string> =>
    (await kubectl(namespace, "auth", "can-i", verb, resource, account).catch(() => "no")).trim();
  expect(await may(APPLICATION, "watch", "endpointslices.discovery.k8s.io")).toBe("yes");
  expect(await may(GATEWAY, "watch", "endpointslices.discovery.k8s.io")).toBe("no");
  for (const resource of ["secrets", "pods", "configmaps", "services"])
    expect([resource, await may(APPLICATION, "list", resource)]).toEqual([resource, "no"]);
});

test("the doctor knows the gateway, and finds no error", async () => {
  const args = ["doctor", "--cluster", "--kubeconfig", PATHS.kubeconfig, "--namespace", GATEWAY];
  const report = await commands.holdfast(args, { timeoutMs: patience(60_000) });
  expect(report).toMatch(/Deployment gateway\/gw-gateway {2}2 pods, a Holdfast gateway/);
  expect(report).toMatch(/\b0 errors/);
});

test("a rolling update of the application closes nobody, and every frame is answered once", async () => {
  const before = await names();
  others.take();
  undeclared.take();
  const account = await step("rolling update", async () => {
    await app("rollout", "restart", "deployment/counter");
    await app("rollout", "status", "deployment/counter", "--timeout=60s");
    await appSettled(PODS);
  });
  expect(felt(account)).toEqual(NOTHING_FELT);
  expect(account.moved).toBeGreaterThanOrEqual(CLIENTS);
  const now = await names();
  for (const pod of clients.byPod().keys()) {
    expect(before).not.toContain(pod);
    expect(now).toContain(pod);
  }
  // Without the gateway it is felt by all, and without a profile it is a close that says why.
  await Promise.all([others.everybodyAnswered(), undeclared.everybodyAnswered()]);
  expect(others.take().closes.length).toBeGreaterThanOrEqual(FEW);
  const codes = undeclared.take().closes.map(({ code }) => code);
  expect(codes.length).toBeGreaterThanOrEqual(FEW);
  expect([...new Set(codes)]).toEqual([1012]);
  others.end();
  undeclared.end();
});

test("scaling the application down closes nobody, and every frame is answered once", async () => {
  const account = await step("scale down", async () => {
    await app("scale", "deployment/counter", `--replicas=${PODS - 1}`);
    await appSettled(PODS - 1);
  });
  expect(felt(account)).toEqual(NOTHING_FELT);
});

test("a pod that is deleted by force closes nobody; what it had not answered is all that is lost", async () => {
  const [victim, onIt] = busiest();
  const account = await step("pod deleted by force", async () => {
    await app("delete", "pod", victim, "--grace-period=0", "--force");
    await eventually("everybody is elsewhere", async () => !clients.byPod().has(victim), LIMITS);
    await appSettled(PODS - 1);
  });
  const { closes, unanswered, doubled } = account;
  expect({ closes, doubled }).toEqual({ closes: [], doubled: 0 });
  expect(unanswered).toBeLessThanOrEqual(onIt);
});

test("a pod that crashes closes nobody; what it had not answered is all that is lost", async () => {
  const [victim, onIt] = busiest();
  const podIP = await app("get", "pod", victim, "-o", "jsonpath={.status.podIP}");
  const account = await step("pod crashes", async () => {
    const socket = new WebSocket(`ws://${podIP}:7000/`);
    await new Promise((closed) => {
      socket.onopen = () => socket.send("crash");
      socket.onclose = closed;
    });
    await appSettled(PODS - 1);
  });
  const { closes, unanswered, doubled } = account;
  expect({ closes, doubled }).toEqual({ closes: [], doubled: 0 });
  expect(unanswered).toBeLessThanOrEqual(onIt);
});

test("kubectl drain of a machine closes nobody, and every frame is answered once", async () => {
  const [pod] = busiest();
  const nodeName = "jsonpath={.spec.nodeName}";
  const drained = await app("get", "pod", pod, "-o", nodeName);
  try {
    const account = await step("kubectl drain", async () => {
      await app(
        "drain",
        drained,
        "--ignore-daemonsets",
        "--pod-selector=app=counter",
        "--timeout=60s",
      );
      await appSettled(PODS - 1);
    });
    expect(felt(account)).toEqual(NOTHING_FELT);
    expect(account.moved).toBeGreaterThan(0);
    expect([...clients.byPod().keys()]).not.toContain(pod);
  } finally {
    await app("uncordon", drained);
  }
});

test("a new route reaches gateways that run, and closes nobody", async () => {
  const [route] = VALUES.routes;
  const before = (await pods(GATEWAY, GATEWAYS)).map(({ metadata }) => metadata.name).sort();
  const account = await step("new route", async () => {
    const routes = [...VALUES.routes, { ...route, name: "second", path: "/second" }];
    await helm("upgrade", "gw", CHART, "--values", valuesFile({ routes }));
    // The kubelet looks at a pod's files each minute, and when the pod changes.
    await kubectl(GATEWAY, "annotate", "pods", "--selector", GATEWAYS, "looked-at=now");
    for (const pod of await pods(GATEWAY, GATEWAYS))
      await eventually(
        `the route is at ${pod.metadata.name}`,
        () => opens(`ws://${pod.status.podIP}:8080/second`),
        { timeoutMs: patience(100_000), everyMs: 250 },
      );
  });
  expect(felt(account)).toEqual(NOTHING_FELT);
  const now = (await pods(GATEWAY, GATEWAYS)).map(({ metadata }) => metadata.name).sort();
  expect(now).toEqual(before);
});

test("a release of the gateway itself closes its clients with 1012, one after the other", async () => {
  const account = await step("gateway released", async () => {
    await kubectl(GATEWAY, "rollout", "restart", "deployment/gw-gateway");
    await kubectl(GATEWAY, "rollout", "status", "deployment/gw-gateway", "--timeout=60s");
    await settled(2, GATEWAY, GATEWAYS);
  });
  const codes = new Set(account.closes.map(({ code }) => code));
  expect([...codes]).toEqual([1012]);
  expect(account.closes.length).toBeGreaterThanOrEqual(CLIENTS);
  // Two may close at once, each in its pace: never all of them in a moment.
  const times = account.closes.map(({ atMs }) => atMs).sort((a, b) => a - b);
  const spreadMs = (times.at(-1) ?? 0) - (times[0] ?? 0);
  expect(spreadMs).toBeGreaterThan((1000 * CLIENTS) / (2 * HANDSHAKES));
});
