import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import type { ReflectorEvent } from "@holdfast/kube";
import { accessTo, clientOf, HostileServer } from "@holdfast/kube/testing";
import type { Endpoint } from "@holdfast/rehoming";
import { createManualClock, type ManualClock } from "@holdfast/testkit";
import { patience } from "../../../../test/patience.ts";
import { KubernetesDiscovery, type KubernetesDiscoveryOptions } from "./kubernetes.ts";

setDefaultTimeout(patience(10_000));

let server: HostileServer;
let clock: ManualClock;
let discovery: KubernetesDiscovery;
/** What was told, and when. */
let told: { readonly endpoints: readonly Endpoint[]; readonly atMs: number }[];
let events: ReflectorEvent[];

beforeEach(() => {
  server = new HostileServer();
  clock = createManualClock();
  told = [];
  events = [];
});
afterEach(() => {
  discovery?.stop();
  server.stop();
});

interface Pods {
  readonly [address: string]: "ready" | "unready" | "leaving";
}

/** Writes a slice of pods. */
function put(name: string, pods: Pods, service = "game"): void {
  server.put(name, {
    metadata: { labels: { "kubernetes.io/service-name": service } },
    addressType: "IPv4",
    ports: [{ name: "ws", port: 80 }],
    endpoints: Object.entries(pods).map(([address, state]) => ({
      addresses: [address],
      conditions: {
        ...{ ready: state === "ready", serving: state !== "unready" },
        terminating: state === "leaving",
      },
    })),
  });
}

function discover(options: Partial<KubernetesDiscoveryOptions> = {}): void {
  const api = clientOf(accessTo(`http://127.0.0.1:${server.port}`), { timeoutMs: 2000 });
  discovery = new KubernetesDiscovery({
    ...{ api, namespace: "shop", name: "game", port: "ws", clock, random: { next: () => 0.5 } },
    ...{ backoff: { firstMs: 2, maxMs: 20 }, tell: (event) => events.push(event) },
    ...options,
  });
  discovery.start((endpoints) => told.push({ endpoints, atMs: clock.nowMs() }));
}

/** Sockets have their own time; the clock goes on with it, a millisecond each. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await Bun.sleep(1);
    clock.advance(1);
  }
}
const now = () => told.at(-1)?.endpoints ?? [];
const states = () =>
  now().map(({ address, takes, leaves }) => `${address.split(":")[0]} ${takes} ${leaves === true}`);
const knows = (...expected: readonly string[]) =>
  until(() => Bun.deepEquals(states(), [...expected]));
const watching = () => until(() => server.watches.length > 0);

test("asks for the slices of one Service in one namespace, and tells what changes", async () => {
  const asked: string[] = [];
  server.fault = ({ path, query }) => {
    asked.push(`${path}?${query.get("labelSelector")}`);
    return false;
  };
  put("s1", { a: "ready", b: "unready" });
  discover();
  expect(discovery.trouble).toContain("Service shop/game: the API server has not answered yet");
  await knows("a true false", "b false false");
  expect(discovery.trouble).toBeUndefined();
  await watching();
  put("s2", { c: "ready" });
  await knows("a true false", "b false false", "c true false");
  put("s1", { a: "leaving", b: "ready" });
  await knows("a false true", "b true false", "c true false");
  put("s1", { b: "ready" });
  await knows("b true false", "c true false");
  expect([...new Set(asked)]).toEqual([
    "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?kubernetes.io/service-name=game",
  ]);
});

test("a Service without slices is told as one without endpoints, with the reason", async () => {
  discover();
  await until(() => told.length > 0);
  expect(now()).toEqual([]);
  expect(discovery.trouble).toContain("no EndpointSlice is there");
  await watching();
  put("s1", { a: "ready" });
  await knows("a true false");
  expect(discovery.trouble).toBeUndefined();
});

test("an address that moves between two slices is never gone", async () => {
  put("s1", { a: "ready", b: "ready" });
  put("s2", { c: "ready" });
  discover();
  await knows("a true false", "b true false", "c true false");
  await watching();
  put("s1", { a: "ready" });
  // A moment later, as the controller does it.
  await Bun.sleep(5);
  clock.advance(100);
  put("s2", { b: "ready", c: "ready" });
  put("s3", { d: "ready" });
  await knows("a true false", "b true false", "c true false", "d true false");
  clock.advance(1000);
  for (const { endpoints } of told)
    expect(endpoints.map(({ address }) => address)).toContain("b:80");
});

test("an address that vanishes is told late; one that was terminating, at once", async () => {
  put("s1", { a: "ready", b: "leaving", c: "ready" });
  discover();
  await knows("a true false", "b false true", "c true false");
  await watching();
  const beforeMs = clock.nowMs();
  put("s1", { c: "ready" });
  await knows("a true false", "c true false");
  expect(clock.nowMs() - beforeMs).toBeLessThan(500);
  await knows("c true false");
  expect(clock.nowMs() - beforeMs).toBeGreaterThanOrEqual(500);
});

test("the last one that serves ends: it is used to its end, and then gone at once", async () => {
  put("s1", { a: "leaving" });
  discover();
  await knows("a true false");
  await watching();
  const beforeMs = clock.nowMs();
  put("s1", {});
  await knows();
  expect(clock.nowMs() - beforeMs).toBeLessThan(500);
});

test("an API server that is away takes nobody away, and is told as trouble", async () => {
  put("s1", { a: "ready" });
  discover();
  await knows("a true false");
  await watching();
  server.goAway();
  await until(() => events.filter(({ type }) => type === "failed").length >= 3);
  expect(states()).toEqual(["a true false"]);
  expect(discovery.trouble).toMatch(/^Service shop\/game: Cannot .*Unreachable/);
  put("s1", { b: "ready" });
  server.comeBack();
  await until(() => states().includes("b true false"));
  expect(discovery.trouble).toBeUndefined();
  await knows("b true false");
});

test.each([
  ["410", { code: 410, reason: "Expired" }],
  ["429", { code: 429, reason: "TooManyRequests" }],
  ["403", { code: 403, reason: "Forbidden" }],
])("goes on after %s", async (status, body) => {
  put("s1", { a: "ready" });
  let left = 4;
  server.fault = (exchange) => {
    if (left <= 0) return false;
    left -= 1;
    exchange.answer(Number(status), { kind: "Status", ...body });
    return true;
  };
  discover();
  await knows("a true false");
  await watching();
  put("s1", { a: "ready", b: "ready" });
  await knows("a true false", "b true false");
});

test("with a second Service, only its pods take clients, and the others keep theirs", async () => {
  const asked: string[] = [];
  server.fault = ({ query }) => {
    asked.push(query.get("labelSelector") ?? "");
    return false;
  };
  put("s1", { a: "ready", b: "ready", c: "unready" });
  put("r1", { b: "ready", c: "unready" }, "receivers");
  discover({ receiving: "receivers" });
  await knows("a false false", "b true false", "c false false");
  expect(asked[0]).toBe("kubernetes.io/service-name in (game,receivers)");
  await watching();
  put("r1", { a: "ready" }, "receivers");
  await knows("a true false", "b false false", "c false false");
  put("s1", { a: "leaving", b: "ready" });
  await knows("a false true", "b false false", "c false false");
});

test("many changes of one moment are told once", async () => {
  for (let index = 0; index < 50; index++) put(`s${index}`, { [`10.0.0.${index}`]: "ready" });
  discover();
  await until(() => now().length === 50);
  expect(told.length).toBe(1);
});

test("nothing is told any more after stop", async () => {
  put("s1", { a: "ready" });
  discover();
  await knows("a true false");
  await watching();
  put("s1", { a: "ready", b: "ready" });
  discovery.stop();
  await Bun.sleep(5);
  clock.advance(1000);
  expect(told.length).toBe(1);
});

test.each(["Shop", "a/b", "", "x?y", "-a"])("the name %j is refused", (name) => {
  expect(() => discover({ name })).toThrow("expected a DNS label");
  expect(() => discover({ namespace: name })).toThrow("expected a DNS label");
});

test("pods have the revision of their label, once it is known; without the right they have none", async () => {
  const pods = new HostileServer();
  try {
    const [slicesApi, podsApi] = [server, pods].map(({ port }) =>
      clientOf(accessTo(`http://127.0.0.1:${port}`), { timeoutMs: 2000 }),
    );
    if (slicesApi === undefined || podsApi === undefined) throw new TypeError("no clients");
    const of = (path: string) => (path.endsWith("/pods") ? podsApi : slicesApi);
    const pod = (name: string, hash: string) =>
      pods.put(name, { metadata: { labels: { "pod-template-hash": hash, other: "x" } } });
    server.put("s1", {
      metadata: { labels: { "kubernetes.io/service-name": "game" } },
      addressType: "IPv4",
      ports: [{ name: "ws", port: 80 }],
      endpoints: ["a", "b", "c"].map((name) => ({
        ...{ addresses: [name], conditions: { ready: true } },
        targetRef: { kind: name === "c" ? "Other" : "Pod", name: `pod-${name}` },
      })),
    });
    pod("pod-a", "h1");
    pod("pod-c", "h1");
    pods.fault = ({ answer }) => {
      answer(403, { kind: "Status", code: 403, reason: "Forbidden", message: "no pods" });
      return true;
    };
    discover({
      api: {
        listAll: (path, request) => of(path).listAll(path, request),
        watch: (path, request) => of(path).watch(path, request),
      },
      revisionLabel: "pod-template-hash",
    });
    await knows("a true false", "b true false", "c true false");
    await until(() => discovery.trouble?.includes("revisions of its pods") === true);
    expect(discovery.trouble).toContain("403");
    const revisions = () => now().map(({ revision }) => revision);
    expect(revisions()).toEqual([undefined, undefined, undefined]);
    pods.fault = () => false;
    await until(() => revisions()[0] === "h1");
    await until(() => pods.watches.length > 0);
    expect(discovery.trouble).toBeUndefined();
    expect(revisions()).toEqual(["h1", undefined, undefined]);
    pod("pod-b", "h2");
    await until(() => revisions()[1] === "h2");
  } finally {
    pods.stop();
  }
});
