// Checks that helm's arithmetic of a drain is that of @holdfast/kube, and that the rendered times
// fit each other.
import { describe, expect, test } from "bun:test";
import { planDrain } from "@holdfast/kube";
import { BASE, merged } from "./cases.ts";
import { objects, template, type Values } from "./helm.ts";
import { podOf } from "./policy.ts";

interface Row {
  readonly M: number;
  readonly P: number;
  readonly S: number;
  readonly N: number;
  readonly A: number;
}

/** A spread of combinations: short and long, few and many, on both sides of each limit. */
const ROWS: readonly Row[] = [
  { M: 75, P: 15, S: 0, N: 10_000, A: 500 },
  { M: 30, P: 5, S: 0, N: 1_000, A: 500 },
  { M: 21, P: 15, S: 0, N: 1, A: 500 },
  { M: 40, P: 15, S: 10, N: 7_500, A: 500 },
  { M: 40, P: 15, S: 10, N: 7_501, A: 500 },
  { M: 40, P: 15, S: 0, N: 5_250, A: 500 },
  { M: 40, P: 15, S: 0, N: 5_251, A: 500 },
  { M: 20, P: 15, S: 0, N: 1, A: 1 },
  { M: 10, P: 15, S: 0, N: 1, A: 100 },
  { M: 300, P: 60, S: 30, N: 40_000, A: 200 },
  { M: 300, P: 60, S: 30, N: 50_000, A: 200 },
  { M: 120, P: 0, S: 0, N: 30_000, A: 333 },
  { M: 580, P: 300, S: 10, N: 40_000, A: 150 },
  { M: 100, P: 15, S: 0, N: 25_000, A: 800 },
];

const valuesOf = ({ M, P, S, N, A }: Row): Values =>
  merged(BASE, {
    drain: { maxSeconds: M, preDelaySeconds: P, preStopSeconds: S },
    connections: { perPod: N, handshakesPerSecond: A },
    expose: { mode: "gateway", gateway: { create: { enabled: true, className: "envoy" } } },
    mesh: { istio: { enabled: true, nativeSidecar: false }, envoyGateway: { enabled: true } },
  });

const planOf = ({ M, P, S, N, A }: Row) =>
  planDrain({
    maxSeconds: M,
    preDelaySeconds: P,
    preStopSeconds: S,
    connections: N,
    handshakesPerSecond: A,
  });

describe("the times that helm renders are those of planDrain", () => {
  test.each(ROWS.filter((row) => planOf(row).pace !== "impossible"))(
    "M $M, P $P, S $S, N $N, A $A",
    async (row) => {
      const plan = planOf(row);
      const all = await objects({ values: valuesOf(row) });
      const node = all.find(({ kind }) => kind === "Deployment");
      const proxy = all.find(({ kind }) => kind === "EnvoyProxy");
      if (node === undefined) throw new Error("no Deployment");
      const pod = podOf(node);
      const env = Object.fromEntries(
        pod?.containers[0]?.env?.map(({ name, value }) => [name, value]) ?? [],
      );
      const annotations = JSON.stringify(node.spec);
      expect({
        grace: pod?.terminationGracePeriodSeconds,
        delay: env.HOLDFAST_DRAIN_PRE_DELAY_MS,
        window: env.HOLDFAST_DRAIN_WINDOW_MS,
        sidecar: annotations.includes(
          `terminationDrainDuration\\":\\"${plan.sidecarDrainSeconds}s`,
        ),
        gateway: proxy?.spec?.shutdown,
      }).toEqual({
        grace: plan.graceSeconds,
        delay: `${row.P}s`,
        window: `${plan.windowSeconds}s`,
        sidecar: true,
        gateway: { drainTimeout: `${plan.gatewayDrainSeconds}s`, minDrainDuration: "15s" },
      });
      const first = Number(env.HOLDFAST_DRAIN_PRE_DELAY_MS?.replace("s", ""));
      expect(row.S + first + plan.windowSeconds + 5).toBeLessThan(plan.graceSeconds);
    },
  );
});

describe("what planDrain calls impossible helm refuses, and its advice is right", () => {
  test.each(ROWS.filter((row) => planOf(row).pace === "impossible"))(
    "M $M, P $P, S $S, N $N, A $A",
    async (row) => {
      const { ok, stderr } = await template({ values: valuesOf(row) });
      expect(ok).toBe(false);
      const advised = Number(
        /(\d+) s would do|drain\.maxSeconds (\d+) would do/.exec(stderr)?.slice(1).find(Boolean),
      );
      expect(advised).toBe(Math.ceil(planOf(row).possibleMaxSeconds));
      expect(planOf({ ...row, M: advised }).pace).not.toBe("impossible");
      expect((await template({ values: valuesOf({ ...row, M: advised }) })).stderr).not.toContain(
        "would do for",
      );
    },
  );
});

test("both kinds of rows are there", () => {
  expect(new Set(ROWS.map((row) => planOf(row).pace))).toEqual(
    new Set(["paced", "hurried", "impossible"]),
  );
});
