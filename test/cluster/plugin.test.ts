// Checks `kubectl holdfast` on a real cluster: kubectl finds the plugin, and what it says, writes
// and exits with is what `holdfast rollout` does. No operator runs here.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { eventually } from "@holdfast/lab";
import { realtimeSet } from "@holdfast/operator/resource-cases";
import { kubectl, kubectlSucceeds } from "../../tools/cluster/control-plane.ts";
import { ensurePrograms, type Programs } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(60_000));

const ROOT = join(import.meta.dir, "../..");
const NAMESPACE = "plugin";
const folder = mkdtempSync(join(tmpdir(), "holdfast-plugin-"));
let programs: Programs;

const kube = (...args: readonly string[]): Promise<string> =>
  kubectl(programs, ["--namespace", NAMESPACE, ...args], { timeoutMs: patience(60_000) });

/** What a person types behind `kubectl`, with the plugin in PATH. */
async function typed(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn([programs.kubernetes, "kubectl", ...args], {
    env: {
      ...process.env,
      KUBECONFIG: PATHS.kubeconfig,
      PATH: [join(folder, "plugins"), join(folder, "bin"), process.env.PATH].join(delimiter),
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

const annotation = async (name: string): Promise<string> =>
  await kube("get", "rts/rt", "-o", `jsonpath={.metadata.annotations.holdfast\\.dev/${name}}`);

beforeAll(async () => {
  programs = await ensurePrograms();
  mkdirSync(join(folder, "plugins"));
  mkdirSync(join(folder, "bin"));
  copyFileSync(
    join(ROOT, "deploy/operator/kubectl-holdfast"),
    join(folder, "plugins/kubectl-holdfast"),
  );
  const command = `#!/bin/sh\nexec ${process.execPath} ${ROOT}/apps/holdfast/src/main.ts "$@"\n`;
  writeFileSync(join(folder, "bin/holdfast"), command);
  chmodSync(join(folder, "bin/holdfast"), 0o755);
  const crds = join(ROOT, "deploy/operator/crds");
  await kube("apply", "--server-side", "--force-conflicts", "-f", crds);
  await kube("wait", "crd/realtimesets.holdfast.dev", "--for=condition=Established");
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait");
  await kube("create", "namespace", NAMESPACE);
  await eventually(
    "kubectl knows the short name",
    () => kubectlSucceeds(programs, ["--namespace", NAMESPACE, "get", "rts"]),
    { timeoutMs: patience(30_000), everyMs: 500 },
  );
  const file = join(folder, "set.json");
  writeFileSync(file, JSON.stringify(realtimeSet({}, "rt")));
  await kube("apply", "-f", file);
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false");
});

test("kubectl finds the plugin", async () => {
  expect((await typed(["plugin", "list"])).out).toContain("/kubectl-holdfast\n");
});

test("it says how a set stands that no operator has seen", async () => {
  const { code, out } = await typed(["holdfast", "status", "rt", "-n", NAMESPACE]);
  expect({ code, out }).toMatchObject({ code: 0 });
  expect(out).toContain("The operator has not seen it yet.");
});

test("who waits by the conventions of kstatus sees that nobody has seen the set yet", async () => {
  // Without the field, kstatus takes the object for one that is ready.
  const generations = "jsonpath={.metadata.generation} {.status.observedGeneration}";
  expect(await kube("get", "rts/rt", "-o", generations)).toBe("1 0");
});

test("its exit statuses are those of the command", async () => {
  const wait = (...args: readonly string[]) => typed(["holdfast", "wait", ...args]);
  const late = await wait("realtimeset/rt", "-n", NAMESPACE, "--timeout", "1s");
  expect(late.code).toBe(12);
  expect(late.out).toContain("the operator has not seen the change yet");
  expect((await wait("realtimeset/none", "-n", NAMESPACE)).code).toBe(2);
  expect((await wait("realtimeset/rt", "--timeout", "soon")).code).toBe(2);
  const nobody = await wait("realtimeset/rt", "--kubeconfig", join(folder, "nowhere"));
  expect(nobody.code).toBe(2);
});

test("what it orders is written into the set", async () => {
  const ordered = (name: string) => typed(["holdfast", name, "rt", "-n", NAMESPACE]);
  expect((await ordered("pause")).code).toBe(0);
  expect(await annotation("pause")).toBe("true");
  expect((await ordered("resume")).code).toBe(0);
  expect(await annotation("pause")).toBe("");
  expect(await ordered("promote")).toMatchObject({ code: 2 });
});

test("HOLDFAST names the command, and without it the plugin says what it expects", async () => {
  const args = ["holdfast", "status", "rt", "-n", NAMESPACE];
  const there = { HOLDFAST: join(folder, "bin/holdfast"), PATH: join(folder, "plugins") };
  expect((await typed(args, { ...there, PATH: `${there.PATH}:/bin:/usr/bin` })).code).toBe(0);
  const gone = await typed(args, { HOLDFAST: join(folder, "nowhere") });
  expect(gone.code).toBe(3);
  expect(gone.err).toContain("expected the command holdfast");
});
