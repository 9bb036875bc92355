// Checks that what people do to a Deployment of the chart on a real Kubernetes is not felt by its
// clients: releases good and bad, rollbacks, node drains.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../patience.ts";
import { Installation, isReady, waitingFor } from "./installation.ts";

setDefaultTimeout(patience(180_000));

const CLIENTS = 120;
const PODS = 3;
let rt: Installation;

beforeAll(async () => {
  rt = await Installation.begin("deploys");
});
afterAll(() => rt?.end());

test("helm test goes through the Service", async () => {
  expect(await rt.release("test", "rt", "--logs")).toContain("ok  every step was done");
});

test("the doctor finds no error, and knows the pods, their machines and their planned load", async () => {
  const report = await rt.doctor();
  expect(report).toContain("Service rt-holdfast > pod");
  expect(report).toContain("for: 300 connections a pod, ");
  expect(report).toMatch(/^ {2}on: node\d \d/m);
  expect(report).toMatch(/\b0 errors/);
});

test("H3: kubectl rollout restart moves everybody and is not felt", async () => {
  const { moves } = await rt.step("rollout restart", async () => {
    await rt.kubectl("rollout", "restart", "deployment/rt-holdfast");
    const said = await rt.rolledOut();
    expect(said).toContain(`${PODS} new pods serve, and no old one is left`);
    expect((await rt.pods()).filter(isReady).length).toBe(PODS);
    expect((await rt.pods()).length).toBe(PODS);
  });
  expect(moves).toBeGreaterThanOrEqual(CLIENTS);
});

test("helm upgrade with another option and helm rollback are not felt", async () => {
  const { moves } = await rt.step("upgrade and rollback", async () => {
    await rt.upgrade({ config: { limits: { subscriptionsMax: 200 } } });
    await rt.kubectl("rollout", "status", "deployment/rt-holdfast", "--timeout=120s");
    await rt.settled(PODS);
    await rt.release("rollback", "rt", "1");
    await rt.kubectl("rollout", "status", "deployment/rt-holdfast", "--timeout=120s");
    await rt.settled(PODS);
  });
  expect(moves).toBeGreaterThanOrEqual(2 * CLIENTS);
});

test("an image that is not there stops the release before a pod ends", async () => {
  const before = await rt.podNames();
  await rt.step("missing image", async () => {
    await rt.upgrade({ image: { tag: "not-there", pullPolicy: "Never" } });
    await rt.somePod("a pod has no image", (pod) => waitingFor(pod) === "ErrImageNeverPull");
    expect((await rt.pods()).filter(isReady).length).toBe(PODS);
    await rt.release("rollback", "rt", "1");
    await rt.settled(PODS);
  });
  // Fleets even out behind a release, so some sessions may move; their pods stay.
  expect(await rt.podNames()).toEqual(before);
});

test("an option that the node refuses stops the release before a pod ends", async () => {
  const before = await rt.podNames();
  await rt.step("refused option", async () => {
    await rt.upgrade({ extraEnv: [{ name: "HOLDFAST_NOT_AN_OPTION", value: "1" }] });
    await rt.somePod("a pod's program ends", (pod) =>
      (pod.status.containerStatuses ?? []).some(({ restartCount }) => restartCount > 0),
    );
    const logs = await rt.kubectl(
      ...["logs", "--selector", "app.kubernetes.io/component=node", "--tail=20"],
    );
    expect(logs).toContain("HOLDFAST_NOT_AN_OPTION");
    expect((await rt.pods()).filter(isReady).length).toBe(PODS);
    await rt.release("rollback", "rt", "1");
    await rt.settled(PODS);
  });
  expect(await rt.podNames()).toEqual(before);
});

test("kubectl drain of a machine ends and is not felt", async () => {
  const drained = (await rt.pods())[0]?.spec.nodeName ?? "";
  try {
    const { moves } = await rt.step("kubectl drain", async () => {
      await rt.kubectl(
        ...["drain", drained, "--ignore-daemonsets", "--delete-emptydir-data"],
        ...["--pod-selector", "app.kubernetes.io/component=node", "--timeout=120s"],
      );
      await rt.settled(PODS);
    });
    expect(moves).toBeGreaterThan(0);
    expect((await rt.pods()).map(({ spec }) => spec.nodeName)).not.toContain(drained);
  } finally {
    await rt.kubectl("uncordon", drained);
  }
});

test("turning autoscaling on keeps every pod", async () => {
  const before = await rt.podNames();
  await rt.step("autoscaling on", async () => {
    await rt.upgrade({ autoscaling: { mode: "hpa-pods", minReplicas: 2, maxReplicas: 5 } });
    // The controller has looked at the pods: no metric was there, so their number stays.
    await rt.kubectl(
      ...["wait", "horizontalpodautoscaler", "--all", "--for=condition=AbleToScale"],
      "--timeout=60s",
    );
    await rt.settled(PODS);
  });
  expect(await rt.podNames()).toEqual(before);
});

test("helm uninstall leaves nothing of the release", async () => {
  await rt.release("uninstall", "rt");
  await rt.settled(0);
  const kinds = "all,configmaps,poddisruptionbudgets,networkpolicies,serviceaccounts,ingresses";
  const left = (await rt.kubectl("get", kinds, "-o", "name")).trim().split("\n");
  expect(left.sort()).toEqual(["configmap/kube-root-ca.crt", "serviceaccount/default"]);
});
