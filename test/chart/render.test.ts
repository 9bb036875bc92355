// Checks what the chart renders: against golden files (UPDATE_GOLDEN=1 writes them) and against the
// schemas of every kind.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parse as parseYaml } from "yaml";
import { patience } from "../patience.ts";
import { BASE, CASES, merged } from "./cases.ts";
import { differenceText, fullText } from "./golden.ts";
import {
  CHART,
  conformity,
  type KubeObject,
  lint,
  OPERATOR_CHART,
  objects,
  packaged,
} from "./helm.ts";

setDefaultTimeout(patience(60_000));

const GOLDEN = fileURLToPath(new URL("golden/", import.meta.url));
const UPDATE = process.env.UPDATE_GOLDEN === "1";
/** Google publishes no schema that can be had as a module. */
const WITHOUT_SCHEMA = ["GCPBackendPolicy", "HealthCheckPolicy"];

const rendered = new Map<string, readonly KubeObject[]>();

beforeAll(async () => {
  for (const { name, source } of CASES) rendered.set(name, await objects(source));
});

function renderingOf(name: string): readonly KubeObject[] {
  const found = rendered.get(name);
  if (found === undefined) throw new Error(`no rendering of ${name}`);
  return found;
}

test.each(CASES.map(({ name }) => name))("%s is what its golden file says", async (name) => {
  const text =
    name === "base"
      ? fullText(renderingOf(name))
      : `# what differs from base\n${differenceText(renderingOf("base"), renderingOf(name))}`;
  const file = Bun.file(`${GOLDEN}${name}.${name === "base" ? "yaml" : "txt"}`);
  if (UPDATE) await Bun.write(file, text);
  expect(text).toBe(await file.text());
});

test("dashboards and rules are those of the files, whole", async () => {
  const all = renderingOf("monitored-by-service");
  const dashboards = readdirSync(`${CHART}/files/dashboards`);
  const maps = all.filter(
    ({ kind, metadata }) => kind === "ConfigMap" && metadata.labels?.grafana_dashboard === "1",
  );
  const data = Object.assign({}, ...maps.map((map) => map.data)) as Readonly<
    Record<string, string>
  >;
  expect(Object.keys(data).toSorted()).toEqual(dashboards.toSorted());
  for (const name of dashboards)
    expect(JSON.parse(data[name] ?? "")).toEqual(
      await Bun.file(`${CHART}/files/dashboards/${name}`).json(),
    );
  for (const name of ["alerts", "recording"]) {
    const rule = all.find(
      ({ kind, metadata }) => kind === "PrometheusRule" && metadata.name === `rt-holdfast-${name}`,
    );
    expect(rule?.spec).toEqual(
      parseYaml(await Bun.file(`${CHART}/files/alerts/holdfast-${name}.yaml`).text()),
    );
    expect(rule?.metadata.labels?.release).toBe("prometheus");
  }
});

test("alerts lead to where the run books are", async () => {
  const base = "https://git.example.com/holdfast/alerts/";
  const all = await objects({
    values: merged(BASE, { monitoring: { rules: true, runbooks: base } }),
  });
  const rules = JSON.stringify(all.filter(({ kind }) => kind === "PrometheusRule"));
  const leads = [...rules.matchAll(/"runbook_url":"([^"]*)"/g)].map(([, url = ""]) => url);
  expect(leads.length).toBeGreaterThan(20);
  for (const url of leads) expect(url).toStartWith(base);
});

test("the autoscaler asks for a metric that the recording rules make", async () => {
  const recorded = await Bun.file(`${CHART}/files/alerts/holdfast-recording.yaml`).text();
  const [trigger] = (renderingOf("example-keda").find(({ kind }) => kind === "ScaledObject")?.spec
    ?.triggers ?? []) as readonly Asking[];
  const [, metric, labels = ""] =
    /^sum\(([\w:]+)\{(.*)\}\)$/.exec(trigger?.metadata.query ?? "") ?? [];
  expect(recorded).toContain(`record: ${metric}\n`);
  expect(labels).toBe('namespace="realtime",job="rt-holdfast"');
  // An empty answer is no zero: the fallback keeps the pods.
  expect(trigger?.metadata.ignoreNullValues).toBe("false");
  const external = await Bun.file(`${CHART}/values.yaml`).text();
  for (const name of ["sum", "pod"]) {
    expect(recorded).toContain(`record: holdfast:connections:${name}\n`);
    expect(external).toContain(`metricName: holdfast_connections_${name}\n`);
  }
});

interface Asking {
  readonly metadata: { readonly query?: string; readonly ignoreNullValues?: string };
}

test("there is no golden file without its case", () => {
  const names = CASES.map(({ name }) => name);
  const left = readdirSync(GOLDEN).filter(
    (file) => !names.includes(file.replace(/\.(yaml|txt)$/, "")),
  );
  if (UPDATE) for (const file of left) rmSync(`${GOLDEN}${file}`);
  expect(UPDATE ? [] : left).toEqual([]);
});

test("every object of every case fits the schema of its kind", async () => {
  const { valid, invalid, skipped } = await conformity([...rendered.values()].flat());
  expect(invalid).toEqual([]);
  expect([...new Set(skipped)].toSorted()).toEqual(WITHOUT_SCHEMA);
  expect(valid.length).toBeGreaterThan(300);
});

test("the schemas refuse a field that does not exist and a value of the wrong type", async () => {
  const deployment = renderingOf("base").find(({ kind }) => kind === "Deployment");
  if (deployment === undefined) throw new Error("no Deployment");
  const misspelt = { ...deployment, spec: { ...deployment.spec, replica: 2 } };
  const mistyped = { ...deployment, spec: { ...deployment.spec, replicas: "2" } };
  const { invalid } = await conformity([misspelt, mistyped]);
  expect(invalid.toSorted()).toEqual([
    expect.stringContaining("'replica' not allowed"),
    expect.stringContaining("got string, want integer"),
  ]);
});

describe("helm lint is content with", () => {
  test.each(CASES.filter(({ name }) => name.startsWith("example-") || name === "base"))(
    "$name",
    async ({ source }) => {
      const { ok, stdout } = await lint(source);
      expect([ok, stdout]).toEqual([true, expect.stringContaining("0 chart(s) failed")]);
    },
  );
});

test("routes of Istio have no timeout, and not one of 0 s: their definition wants more than 1 ms", () => {
  const routes = [...rendered.values()].flat().filter(({ kind }) => kind === "VirtualService");
  expect(routes.length).toBeGreaterThan(0);
  for (const { spec } of routes) expect(JSON.stringify(spec)).not.toContain('"timeout"');
});

test("every schema is used, and names where it is from", async () => {
  const folder = fileURLToPath(new URL("../../deploy/schemas/", import.meta.url));
  const operator = await objects({ values: { namespaces: ["shop"] } }, OPERATOR_CHART);
  const used = new Set(
    [...rendered.values(), operator]
      .flat()
      .map(({ kind, apiVersion }) => [kind, ...apiVersion.split("/")].join("-").toLowerCase()),
  );
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  expect(files.filter((name) => !used.has(name.replace(/\.json$/, "")))).toEqual([]);
  for (const name of files)
    expect((await Bun.file(`${folder}${name}`).json()).$comment).toMatch(/ from \S+@v[\d.]+, /);
});

test("the packaged chart renders the same as the folder", async () => {
  expect(await packaged({ values: BASE })).toEqual(renderingOf("base"));
});

test("the chart's version of the application is the command's", async () => {
  const { version } = await Bun.file(
    fileURLToPath(new URL("../../apps/holdfast/package.json", import.meta.url)),
  ).json();
  expect(await Bun.file(`${CHART}/Chart.yaml`).text()).toContain(`appVersion: "${version}"`);
});
