// Checks `holdfast rollout plan` and `--dry-run` against a real HTTPS server: what they say, that
// they write nothing, and their exit statuses.
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../patience.ts";
import type { ApiServer } from "./api-server.ts";
import { rolloutCommand } from "./rollout-command.ts";

setDefaultTimeout(patience(30_000));

const SET = "/apis/holdfast.dev/v1alpha1/namespaces/live/realtimesets/chat";

const { serve, run } = rolloutCommand("live");

const container = (image: string) => ({
  name: "holdfast",
  image,
  args: ["serve"],
  env: [{ name: "HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND", value: "100" }],
  readinessProbe: { periodSeconds: 2, failureThreshold: 2 },
});
const setObject = (image: string) => ({
  apiVersion: "holdfast.dev/v1alpha1",
  kind: "RealtimeSet",
  metadata: { name: "chat", namespace: "live" },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: "chat" } },
    drain: { maxSeconds: 60 },
    connections: { perPod: 1000 },
    dataPlane: { node: { keySecret: { name: "k", key: "key" } } },
    release: { strategy: "Canary", canary: { steps: [{ sharePercent: 30, untilPromoted: true }] } },
    template: {
      metadata: { labels: { app: "chat" } },
      spec: { containers: [container(image)] },
    },
  },
});
const settled = { stable: "aaa", rejected: [], condition: "Settled", message: "" };
const release = { to: "bbb", from: "aaa", phase: "advancing", step: 0, progress: "" };

/** An API server with a set of 3 pods and 600 connections. */
async function serving(status: object): Promise<ApiServer> {
  const object = setObject("holdfast:1");
  const metadata = { ...object.metadata, uid: "u", resourceVersion: "7", generation: 1 };
  const pods = [1, 2, 3].map((index) => ({
    metadata: {
      name: `chat-${index}`,
      labels: { app: "chat", "holdfast.dev/set": "chat", "pod-template-hash": "aaa" },
      creationTimestamp: "2026-01-01T00:00:00Z",
    },
    spec: { nodeName: `machine-${index}` },
    status: {
      conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:04Z" }],
    },
  }));
  const lists: Readonly<Record<string, object>> = {
    "/api/v1/namespaces/live/pods": { kind: "PodList", items: pods },
    "/api/v1/namespaces/live/configmaps": { kind: "ConfigMapList", items: [] },
  };
  return serve((path) => {
    if (path === SET) return Response.json({ ...object, metadata, status });
    const found = lists[path];
    if (found !== undefined) return Response.json({ metadata: { resourceVersion: "1" }, ...found });
    return path === "/api/v1/nodes" ? new Response("{}", { status: 403 }) : undefined;
  });
}

/** It writes nothing. */
async function rollout(server: ApiServer, args: readonly string[], stdin = "") {
  const done = await run(server, args, stdin);
  expect(server.requests.filter((request) => !request.startsWith("GET "))).toEqual([]);
  return done;
}

const STATUS = { desiredReplicas: 3, connections: 600, decision: settled };

test("it says how long the next release takes, its moves, its handshakes and its pods", async () => {
  const { code, out } = await rollout(await serving(STATUS), ["plan", "chat"]);
  expect(out).toContain(
    "Canary release of chat to revision next: 3 pods, 600 connections\n  takes         ",
  );
  expect(out).toMatch(/moves +600 sessions, 1.00 for each connection/);
  expect(out).toMatch(/handshakes +\d+ in the worst second of a pod, which takes 100;/);
  expect(out).toMatch(/pods at once +\d, of which [12] beside the 3 that are wished/);
  expect(out).toMatch(/1 +30 % .*a person promotes it, here at once/);
  expect(out).toContain("if a pod is ready 4 s after it is made");
  expect(code).toBe(0);
});

test("of a manifest it takes what it wishes, and for programs it is JSON", async () => {
  const manifest = setObject("holdfast:2");
  const rolling = { ...manifest, spec: { ...manifest.spec, release: { strategy: "Rolling" } } };
  const args = ["plan", "rts/chat", "-f", "-", "--json"];
  const { code, out } = await rollout(await serving(STATUS), args, JSON.stringify(rolling));
  const found = JSON.parse(out);
  expect(found).toMatchObject({
    ...{ version: 1, set: "chat", strategy: "Rolling", from: "aaa", connections: 600, moves: 600 },
    ...{ isOver: true, pods: 3, replicas: 3, podsMax: 4, cut: 0 },
    basis: { podStartSeconds: 4, podUnreadySeconds: 4, handshakesPerSecond: 100 },
  });
  expect(found.endRevision).toBe(found.to);
  expect(found.seconds).toBeGreaterThan(0);
  expect(code).toBe(0);
});

test("what stands still ends with 1 and says why", async () => {
  const paused = setObject("holdfast:2");
  const spec = { ...paused.spec, release: { strategy: "Rolling", paused: true } };
  const args = ["plan", "chat", "-f", "-"];
  const given = JSON.stringify({ ...paused, spec });
  const { code, out } = await rollout(await serving(STATUS), args, given);
  expect([code, out]).toEqual([1, expect.stringContaining("is paused")]);
});

test.each([
  ["a set that the operator has not seen", {}, ["plan", "chat"], 2, /not seen/],
  ["a manifest without the set", STATUS, ["plan", "chat", "-f", "-"], 2, /no RealtimeSet chat/],
  ["a set that is not there", STATUS, ["plan", "other"], 2, /404/],
] as const)("%s is refused", async (_name, status, args, expected, why) => {
  const { code, err } = await rollout(await serving(status), args);
  expect([code, err]).toEqual([expected, expect.stringMatching(why)]);
});

test("--dry-run says what would be written and what it would cause, and writes nothing", async () => {
  const status = { ...STATUS, updatedRevision: "bbb", decision: { ...settled, release } };
  const server = await serving(status);
  const promote = await rollout(server, ["promote", "chat", "--all", "--dry-run"]);
  expect(promote.out).toMatch(
    /^Nothing was written\.\nIt would write into .*realtimesets\/chat: .*"holdfast.dev\/promote":"bbb\/all"/,
  );
  expect(promote.code).toBe(0);
  const abort = await rollout(server, ["abort", "chat", "--dry-run"]);
  expect(abort.out).toContain('"holdfast.dev/abort":"bbb"');
  expect(abort.out).toContain("which ends on revision aaa");
  expect(abort.out).toMatch(/moves +0 sessions/);
});
