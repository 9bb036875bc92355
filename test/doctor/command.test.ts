// Checks the real command: files, folders, standard input, its outputs and exit statuses.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../apps/holdfast/src/main.ts", import.meta.url));
const HERE = fileURLToPath(new URL(".", import.meta.url));
const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-doctor-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

async function doctor(
  args: readonly string[],
  stdin = "",
): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const env = { ...process.env, NO_COLOR: "1" };
  const child = Bun.spawn([process.execPath, MAIN, "doctor", ...args], {
    cwd: HERE,
    env,
    stdin: new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, out, err };
}

const soketi = readFileSync(`${HERE}bad/soketi-chart-defaults.yaml`, "utf8");

describe("exit status", () => {
  const table: readonly (readonly [string, readonly string[], number])[] = [
    ["0 for what is good", ["good"], 0],
    ["1 for an error", ["bad/knative.yaml"], 1],
    ["0 for warnings alone", ["bad/soketi-chart-defaults.yaml"], 0],
    [
      "1 for warnings where they are to fail",
      ["--fail-on", "warning", "bad/soketi-chart-defaults.yaml"],
      1,
    ],
    ["0 for errors where nothing is to fail", ["--fail-on", "never", "bad/knative.yaml"], 0],
    ["0 where the workload that is named has nothing", ["--workload", "holdfast", "good"], 0],
    ["2 for a file that is not there", ["nothing-here.yaml"], 2],
    ["2 for no argument", [], 2],
    ["2 for a figure that is none", ["--ping", "soon", "good"], 2],
    ["2 for a severity that is none", ["--fail-on", "some", "good"], 2],
  ];
  test.each(table)("%s", async (_name, args, code) => {
    expect((await doctor(args)).code).toBe(code);
  });

  test("2 with the place of what cannot be read, after telling of the rest", async () => {
    writeFileSync(
      join(FOLDER, "a.yaml"),
      `${soketi}\n---\nkind: [\n---\n{{ template }}\n---\njust: words\n`,
    );
    const { code, out } = await doctor([join(FOLDER, "a.yaml")]);
    expect(code).toBe(2);
    expect(out).toContain("a.yaml:");
    expect(out).toContain("expected apiVersion and kind");
    expect(out).toContain("Deployment soketi");
  });
});

test("in a folder what is no manifest is named and left out; a file that is named must be one; templates are told what they are", async () => {
  const folder = mkdtempSync(join(FOLDER, "folder-"));
  writeFileSync(join(folder, "values.yaml"), "replicas: 3\n");
  writeFileSync(join(folder, "dashboard.json"), '{"panels":[]}');
  writeFileSync(join(folder, "good.yaml"), readFileSync(`${HERE}good/holdfast.yaml`, "utf8"));
  const { code, err, out } = await doctor([folder]);
  expect([code, out.includes("Deployment live/holdfast")]).toEqual([0, true]);
  expect(err).toContain("values.yaml: no manifest");
  expect(err).toContain("dashboard.json: no manifest");
  expect((await doctor([join(folder, "values.yaml")])).code).toBe(2);
  writeFileSync(
    join(folder, "template.yaml"),
    "apiVersion: v1\nkind: Service\n{{- if .Values.x }}\nmetadata: { name: a }\n{{- end }}\n",
  );
  const templated = await doctor([folder]);
  expect(templated.code).toBe(2);
  expect(templated.out).toContain("expected what helm template makes of it");
});

describe("text", () => {
  test("names template and line of what helm rendered, draws the way, shows the sum, the consequence and the page", async () => {
    const { out } = await doctor(["-", "--patches"], soketi);
    for (const part of [
      "way: client > LoadBalancer ingress-nginx-controller (AWS classic) [idle 45 s] > Ingress soketi (ingress-nginx) [idle 60 s*, drain 240 s*] > Service soketi > pod",
      "soketi/templates/deployment.yaml (stdin:20)",
      "periodSeconds x failureThreshold = 2 x 3 = 6 s < 20 s",
      "kubectl patch --type strategic",
      "kind: PodDisruptionBudget",
      "docs/operations/doctor.md#liveness-too-eager",
      "0 errors, 8 warnings, 1 info in 4 objects",
    ])
      expect(out).toContain(part);
  });

  test("leaves out what counts less where that is asked", async () => {
    const { out } = await doctor(["--least", "error", "-"], soketi);
    expect(out).toContain("nothing found");
    expect(out).toContain("8 warnings");
  });

  test("told figures change the sums: pings and drain of an application that is not ours", async () => {
    const { out, code } = await doctor(
      ["-", "--ping", "70", "--drain", "60", "--connections", "5000"],
      soketi,
    );
    expect(code).toBe(1);
    expect(out).toContain("60 s <= ping 70 s");
    expect(out).toContain(
      "G = S + M + 10 = 0 s + 60 s + 10 s = 70 s; M = 60 s as told".split("; ")[0] ?? "",
    );
    expect(out).toContain("M = 60 s as told");
  });
});

test("JSON has counts, workloads with their way and plan, and findings with place and patch", async () => {
  const { out, code } = await doctor(["--json", "bad/istio.yaml"]);
  expect(code).toBe(1);
  const report = JSON.parse(out);
  expect(report.version).toBe(1);
  expect(report.counts).toMatchObject({ error: 2, unread: 0 });
  const [workload] = report.workloads;
  expect(workload).toMatchObject({
    kind: "Deployment",
    namespace: "live",
    name: "feed",
    graceSeconds: 120,
    preStopSeconds: 10,
    connectionsBasis: "assumed",
  });
  expect(workload.clientPath).toContainEqual({
    kind: "sidecar",
    name: "istio-proxy",
    idleSeconds: null,
    lifetimeSeconds: null,
    drainSeconds: 5,
    connectionsMax: null,
    before: [],
  });
  expect(workload.findings[0]).toMatchObject({
    id: "connection-limit",
    severity: "error",
    place: { file: "bad/istio.yaml", line: 41 },
    patch: { type: "merge" },
  });
});

test("SARIF names the rules and the lines", async () => {
  const { out } = await doctor(["--sarif", "bad/knative.yaml"]);
  const [run] = JSON.parse(out).runs;
  expect(run.tool.driver.rules.map((rule: { id: string }) => rule.id)).toEqual(["knative-timeout"]);
  expect(run.results[0].locations[0].physicalLocation).toEqual({
    artifactLocation: { uri: "bad/knative.yaml" },
    region: { startLine: 7 },
  });
});
