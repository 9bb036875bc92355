// Checks the charts' NetworkPolicies on a real Kubernetes where something makes them hold: what
// must pass passes, through a release too, and nothing else does. It runs by name alone:
// `npm run test:cluster -- --policies`.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "@holdfast/lab";
import { API_PORT } from "../../tools/cluster/settings.ts";
import { Installation } from "../cluster/installation.ts";
import { IMAGE, plainApplication } from "../cluster/plain-application.ts";
import { PlainClients } from "../cluster/plain-clients.ts";
import { setOperator } from "../cluster/set-operator.ts";
import { patience } from "../patience.ts";
import { PROBE_LABEL, PROBE_PORT, Probe } from "./probe.ts";

setDefaultTimeout(patience(240_000));

const DEPLOY = join(import.meta.dir, "../../deploy");
const NAMESPACE = "guarded";
/** Whose pods may read metrics, by the charts' defaults. */
const MONITORING = "monitoring";
const STRANGERS = "strangers";
const SET = "rt-holdfast";
const COUNTER_PORT = 7000;
const ROUTE = {
  ...{ name: "counter", path: "/ws", profile: "stateless" },
  service: { kubernetes: { name: "counter", port: "ws" } },
};
const PODS = 3;
const PORT = { clients: 8000, internal: 9000, valkey: 6379, admin: 9464, held: 8080 };
/** The policies see the port behind the Service; this cluster's is a rare one. */
const API_SERVER = `networkPolicy.apiServerPorts={443,${API_PORT}}`;
const LIMITS = { timeoutMs: patience(120_000), everyMs: 500 };

const OPERATOR = setOperator(NAMESPACE, API_SERVER);

let rt: Installation;
let stranger: Probe;
let monitor: Probe;

const addressOf = async (selector: string): Promise<string> => {
  const path = "jsonpath={.items[0].status.podIP}";
  return await rt.kubectl("get", "pods", "--selector", `${selector},!${PROBE_LABEL}`, "-o", path);
};
const nodeAddress = (): Promise<string> => addressOf(`app.kubernetes.io/component=node`);
const valkeyAddress = (): Promise<string> => addressOf("app.kubernetes.io/component=valkey");
const operatorAddress = (): Promise<string> =>
  addressOf("app.kubernetes.io/name=holdfast-operator");

const setStatus = (path: string): Promise<string> =>
  rt.kubectl("get", "rts", SET, "-o", `jsonpath={.status${path}}`);

beforeAll(async () => {
  rt = await Installation.begin(NAMESPACE, {
    ...OPERATOR,
    values: { ...OPERATOR.values, replicas: PODS },
  });
  for (const name of [MONITORING, STRANGERS]) {
    await rt.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait");
    await rt.kubectl("create", "namespace", name);
  }
  stranger = new Probe(rt, { namespace: STRANGERS, name: "stranger" });
  monitor = new Probe(rt, { namespace: MONITORING, name: "monitor" });
  for (const probe of [stranger, monitor]) await probe.start();
});
afterAll(async () => {
  for (const name of [MONITORING, STRANGERS])
    await rt?.kubectl("delete", "namespace", name, "--ignore-not-found", "--wait=false");
  await rt?.end();
});

/** A pod that a policy takes for one of those that it is for. */
async function probeAs(policy: string): Promise<Probe> {
  const path = "jsonpath={.spec.podSelector.matchLabels}";
  const labels = await rt.kubectl("get", "networkpolicy", policy, "-o", path);
  const probe = new Probe(rt, {
    ...{ namespace: NAMESPACE, name: `as-${policy}` },
    labels: JSON.parse(labels) as Record<string, string>,
  });
  await probe.start();
  return probe;
}

const isShut = (answer: string): boolean => answer !== "open";

describe("a pod of somebody else", () => {
  test("reaches the port for clients", async () => {
    expect(await stranger.dial(await nodeAddress(), PORT.clients)).toBe("open");
    expect(await stranger.dial(`${SET}.${NAMESPACE}.svc`, PORT.clients)).toBe("open");
  });
  test("reaches neither metrics nor the broker nor the operator", async () => {
    expect(await stranger.dial(await nodeAddress(), PORT.internal)).toSatisfy(isShut);
    expect(await stranger.dial(await valkeyAddress(), PORT.valkey)).toSatisfy(isShut);
    expect(await stranger.dial(await operatorAddress(), PORT.internal)).toSatisfy(isShut);
  });
});

describe("monitoring", () => {
  test("reaches the metrics of nodes and operators", async () => {
    expect(await monitor.dial(await nodeAddress(), PORT.internal)).toBe("open");
    expect(await monitor.dial(await operatorAddress(), PORT.internal)).toBe("open");
  });
  test("does not reach the broker", async () => {
    expect(await monitor.dial(await valkeyAddress(), PORT.valkey)).toSatisfy(isShut);
  });
});

describe("a node", () => {
  let asNode: Probe;
  beforeAll(async () => {
    asNode = await probeAs(SET);
  });
  // What waits for the nodes would wait for it, too.
  afterAll(() => asNode?.end());

  test("reaches names and the broker", async () => {
    expect(await asNode.lookUp(`${SET}.${NAMESPACE}.svc.cluster.local`)).toMatch(/^10\./);
    expect(await asNode.dial(await valkeyAddress(), PORT.valkey)).toBe("open");
  });
  test("reaches nothing else: no API server, no operator, nobody's pod", async () => {
    const api = "kubernetes.default.svc";
    expect(await stranger.dial(api, 443)).toBe("open");
    expect(await asNode.dial(api, 443)).toSatisfy(isShut);
    expect(await asNode.dial(await operatorAddress(), PORT.internal)).toSatisfy(isShut);
    const theirs = await stranger.address();
    expect(await monitor.dial(theirs, PROBE_PORT)).toBe("open");
    expect(await asNode.dial(theirs, PROBE_PORT)).toSatisfy(isShut);
  });
});

test("a release moves everybody once: operator, nodes and broker reach each other", async () => {
  const before = await setStatus(".stableRevision");
  const { moves } = await rt.step("release under policies", async () => {
    const template = { metadata: { annotations: { "test/new": String(Date.now()) } } };
    const patch = JSON.stringify({ spec: { template } });
    await rt.kubectl("patch", "rts", SET, "--type=merge", "--patch", patch);
    await eventually(
      "the new revision is stable",
      async () => {
        const stable = await setStatus(".stableRevision");
        return stable !== before && (await setStatus(".updatedRevision")) === stable;
      },
      LIMITS,
    );
    await rt.settled(PODS);
  });
  expect(moves).toBeGreaterThanOrEqual(120);
});

describe("a gateway before somebody's application", () => {
  let asGateway: Probe;
  beforeAll(async () => {
    await rt.create(
      plainApplication({ name: "counter", image: IMAGE, replicas: 1, preStopSeconds: 1 }),
    );
    await rt.kubectl("rollout", "status", "deployment/counter", "--timeout=120s");
    await rt.release(
      ...["install", "gw", join(DEPLOY, "gateway/chart"), "--wait", "--timeout", "120s"],
      ...["--set-json", `routes=${JSON.stringify([ROUTE])}`, "--set", `replicas=1,${API_SERVER}`],
    );
    asGateway = await probeAs("gw-gateway");
  });
  const gatewayAddress = () => addressOf("app.kubernetes.io/name=holdfast-gateway");

  test("holds a client of outside before a pod of the application", async () => {
    const path = "jsonpath={.spec.clusterIP}";
    const host = await rt.kubectl("get", "service", "gw-gateway", "-o", path);
    const clients = new PlainClients({
      ...{ url: `ws://${host}/ws`, count: 5, thinkMs: 50, patienceMs: patience(5000) },
    });
    await clients.start();
    await clients.everybodyAnswered();
    const { answered, closes } = clients.take();
    clients.end();
    expect(answered).toBeGreaterThan(0);
    expect(closes).toEqual([]);
  });
  test("lets strangers reach its port for clients, and monitoring its figures", async () => {
    expect(await stranger.dial(await gatewayAddress(), PORT.held)).toBe("open");
    expect(await monitor.dial(await gatewayAddress(), PORT.admin)).toBe("open");
    expect(await stranger.dial(await gatewayAddress(), PORT.admin)).toSatisfy(isShut);
  });
  test("reaches its application and the API server, and no broker", async () => {
    expect(await asGateway.dial(await addressOf("app=counter"), COUNTER_PORT)).toBe("open");
    expect(await asGateway.dial("kubernetes.default.svc", 443)).toBe("open");
    expect(await asGateway.dial(await stranger.address(), PROBE_PORT)).toSatisfy(isShut);
  });
});
