// Checks what clients feel when a whole machine is gone: no drain, no close, only silence.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "@holdfast/lab";
import { setCable } from "../../tools/cluster/network.ts";
import { nodeName } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";
import { Installation, isReady } from "./installation.ts";

setDefaultTimeout(patience(300_000));

const PODS = 3;
/** The first machine stands for the Services, and has the trial broker. */
const VICTIM = 2;
/** A silent machine is known to be gone after 50 s, its pods after 30 s more. */
const REPLACED_MS = patience(180_000);
let rt: Installation;

beforeAll(async () => {
  rt = await Installation.begin("machines", { avoiding: nodeName(VICTIM) });
});
afterAll(async () => {
  await setCable(VICTIM, "in");
  await rt?.end();
});

test("a machine whose cable is pulled loses nobody anything, and its pods are replaced", async () => {
  // The pods were started while the machine was avoided: a release spreads them.
  await rt.step("spread", async () => {
    await rt.kubectl("rollout", "restart", "deployment/rt-holdfast");
    await rt.kubectl("rollout", "status", "deployment/rt-holdfast", "--timeout=120s");
    await rt.settled(PODS);
  });
  const on = async (): Promise<readonly string[]> =>
    (await rt.pods()).filter(isReady).map(({ spec }) => spec.nodeName ?? "");
  expect(await on()).toContain(nodeName(VICTIM));
  const { reconnects } = await rt.step(
    "cable pulled",
    async () => {
      await setCable(VICTIM, "out");
      await eventually(
        "all pods serve on other machines",
        async () => {
          const machines = await on();
          return machines.length === PODS && !machines.includes(nodeName(VICTIM));
        },
        { timeoutMs: REPLACED_MS, everyMs: 500 },
      );
    },
    { isDrain: false },
  );
  expect(reconnects).toBeGreaterThan(0);
  await setCable(VICTIM, "in");
  await rt.settled(PODS);
});
