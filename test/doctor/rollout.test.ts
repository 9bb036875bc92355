// Checks `holdfast rollout wait` against a real HTTPS server: what it waits for, what it says, and
// its exit statuses.
import { expect, test } from "bun:test";
import type { ApiServer } from "./api-server.ts";
import { rolloutCommand } from "./rollout-command.ts";

const { serve, run } = rolloutCommand();
const DEPLOYMENT = "/apis/apps/v1/namespaces/live/deployments/chat";
const PODS = "/api/v1/namespaces/live/pods";

interface Moment {
  readonly status?: Readonly<Record<string, unknown>>;
  readonly spec?: Readonly<Record<string, unknown>>;
  /** Names of pods that end. */
  readonly ending?: readonly string[];
  readonly answers?: number;
}

const DONE = { replicas: 2, updatedReplicas: 2, availableReplicas: 2, observedGeneration: 1 };
const labels = { app: "chat" };

/** An API server whose release is in the next moment at each look; the last one stays. */
function serving(moments: readonly Moment[]): Promise<ApiServer> {
  let looks = 0;
  const now = (): Moment => moments[Math.min(looks, moments.length) - 1] ?? {};
  return serve((path) => {
    if (path === DEPLOYMENT) {
      looks += 1;
      const { status, spec, answers } = now();
      if (answers !== undefined) return new Response("", { status: answers });
      const selector = { matchLabels: labels };
      return Response.json({
        metadata: { name: "chat", generation: 1 },
        spec: { replicas: 2, selector, ...spec },
        status: { ...DONE, ...status },
      });
    }
    if (path !== PODS) return undefined;
    const items = (now().ending ?? []).map((name) => ({
      metadata: { name, labels, deletionTimestamp: "2026-01-01T00:00:00Z" },
    }));
    return Response.json({ kind: "PodList", items });
  });
}

const wait = (server: ApiServer, ...args: readonly string[]) => run(server, ["wait", ...args]);
const CHAT = ["deployment/chat", "-n", "live"] as const;

test("it waits for the new pods, then for the drain of the last old one, and says so", async () => {
  const server = await serving([
    { status: { observedGeneration: 0 } },
    { status: { updatedReplicas: 1, replicas: 3 } },
    { ending: ["old-1"] },
    { answers: 500 },
    {},
  ]);
  const { code, out } = await wait(server, ...CHAT);
  expect(out.split("\n")).toEqual([
    "the controller has not seen the change yet",
    "1 of 2 pods are new, 2 serve, 2 old ones are to be replaced",
    "2 of 2 pods are new, 2 serve, 1 drains (old-1)",
    "Cannot read deployment live/chat: 500",
    "2 new pods serve, and no old one is left",
    "",
  ]);
  expect(code).toBe(0);
  expect(server.requests.every((request) => request.startsWith("GET "))).toBe(true);
  expect(server.requests).toContain(`GET ${PODS}?labelSelector=app%3Dchat&limit=5000`);
});

test.each([
  ["a release that is paused", { spec: { paused: true }, status: { updatedReplicas: 1 } }, 11],
  [
    "a release that the controller gave up",
    {
      status: {
        updatedReplicas: 1,
        conditions: [{ type: "Progressing", reason: "ProgressDeadlineExceeded" }],
      },
    },
    1,
  ],
  ["a workload that is not there", { answers: 404 }, 2],
  ["a workload that may not be read", { answers: 403 }, 2],
  ["an API server that fails at the first look", { answers: 500 }, 3],
] as const)("%s ends with its own status", async (_name, moment, expected) => {
  const { code, err } = await wait(await serving([moment]), ...CHAT);
  expect([code, err === ""]).toEqual([expected, false]);
});

test("a release that is not over in time ends with 12 and says what is left", async () => {
  const server = await serving([{ ending: ["old-1"] }]);
  const { code, out, err } = await wait(server, ...CHAT, "--timeout", "1s");
  expect(code).toBe(12);
  expect(out).toContain("1 drains (old-1)");
  expect(err).toContain("not over after");
});

test("what it cannot understand is refused", async () => {
  const server = await serving([{}]);
  for (const args of [["chat"], ["pod/chat"], ["deployment/"], [...CHAT, "--timeout", "soon"]])
    expect([args, (await wait(server, ...args)).code]).toEqual([args, 2]);
  expect(server.requests).toEqual([]);
});
