// Checks that a node takes what the chart gives it: the rendered file and variables go through the
// node's own reading of its options.
import { expect, test } from "bun:test";
import { type ConfigResult, loadConfig, optionRows } from "@holdfast/config";
import { type Config, NODE_OPTIONS } from "@holdfast/server/options";
import { parse as parseYaml } from "yaml";
import { BASE, CASES, merged } from "./cases.ts";
import { derivedOptions, type KubeObject, objects, type Values } from "./helm.ts";
import { podOf } from "./policy.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
/** What the cluster puts in place of references. */
const REFERENCES: Readonly<Record<string, string>> = {
  HOLDFAST_NODE_ID: "rt-holdfast-7d4b9c6f5-x2x9z",
  HOLDFAST_REVISION: "7d4b9c6f5",
  HOLDFAST_BROKER_URL: "rediss+sentinel://app:pw@s1:26379,s2:26379/main",
  HOLDFAST_AUTH_RESUME_SECRET: SECRET,
  HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
  VALKEY_PASSWORD: SECRET,
  OPERATOR_KEY_HASH: `sha256:${"0".repeat(64)}`,
};

function configOf(all: readonly KubeObject[]): ConfigResult<Config> {
  const node = all.find(
    ({ kind, metadata }) =>
      /Deployment|StatefulSet|RealtimeSet/.test(kind) && !metadata.name.endsWith("valkey"),
  );
  const text = all.find(
    ({ kind, data }) => kind === "ConfigMap" && data?.["holdfast.yaml"] !== undefined,
  )?.data?.["holdfast.yaml"];
  const variables = (node && podOf(node)?.containers[0]?.env) ?? [];
  const env = Object.fromEntries(
    variables.map(({ name, value }) => [
      name,
      (value ?? REFERENCES[name])?.replaceAll(
        /\$\((\w+)\)/g,
        (_all, other) => REFERENCES[other] ?? "",
      ),
    ]),
  );
  return loadConfig(NODE_OPTIONS, {
    file: "holdfast.yaml",
    text: text ?? "",
    env,
    envIgnored: ["HOLDFAST_CONFIG"],
    flags: {},
  });
}

test.each(CASES)("$name", async ({ source }) => {
  const loaded = configOf(await objects(source));
  expect(loaded.ok ? [] : loaded.problems).toEqual([]);
});

test("every option that the chart does not set itself can be given below config, with its default", async () => {
  const derived = await derivedOptions();
  let config: Values = {};
  let count = 0;
  for (const { name, option } of optionRows(NODE_OPTIONS)) {
    if (name in derived || option.default === undefined || option.secret) continue;
    config = merged(
      config,
      name
        .split(".")
        .reduceRight<unknown>((inner, key) => ({ [key]: inner }), option.default) as Values,
    );
    count += 1;
  }
  const loaded = configOf(await objects({ values: merged(BASE, { config }) }));
  expect(loaded.ok ? [] : loaded.problems).toEqual([]);
  expect(count).toBeGreaterThan(40);
});

test("the drain and the limits that a node has in force are those of the values", async () => {
  const loaded = configOf(
    await objects({
      values: merged(BASE, {
        connections: { perPod: 2000, handshakesPerSecond: 250.5 },
        drain: { maxSeconds: 60 },
      }),
    }),
  );
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const { drain, admission, limits, nodeId, revision } = loaded.config;
  expect({
    drain,
    A: admission.handshakesPerSecond,
    max: limits.connectionsMax,
    each: limits.connectionsPerAddressMax,
    nodeId,
    revision,
  }).toEqual({
    drain: { preDelayMs: 15_000, windowMs: 40_000, perSecondMax: 250.5 },
    A: 250.5,
    max: 3000,
    each: 3000,
    nodeId: REFERENCES.HOLDFAST_NODE_ID ?? "",
    revision: REFERENCES.HOLDFAST_REVISION ?? "",
  });
});

test("the memory of a connection is a little more than was measured, and the README says what they come to", async () => {
  const repository = `${import.meta.dir}/../../`;
  const measured = await Bun.file(`${repository}docs/benchmarks/micro.json`).json();
  const values = parseYaml(await Bun.file(`${repository}deploy/chart/values.yaml`).text());
  const kilobytes = measured.rivals.holdfast.subscribedBytes.most / 1000;
  expect(values.resources.connectionKilobytes).toBeGreaterThan(kilobytes);
  expect(values.resources.connectionKilobytes).toBeLessThan(kilobytes * 1.25);
  const [container] =
    podOf((await objects({ values: BASE })).find(({ kind }) => kind === "Deployment") ?? NOTHING)
      ?.containers ?? [];
  const mebibytes = (of: Values | undefined) => String(of?.memory).replace("Mi", " MiB");
  // Lines of prose may break anywhere.
  const readme = (await Bun.file(`${repository}deploy/chart/README.md`).text()).replaceAll(
    /\s+/g,
    " ",
  );
  for (const of of [container?.resources?.requests, container?.resources?.limits])
    expect(readme).toContain(`10,000 connections: ${mebibytes(of)}.`);
});

test.each([
  [1_048_576, 607],
  ["1MiB", 607],
  ["1024KiB", 607],
  [524_288, 513],
  ["0.5MiB", 513],
  ["4MiB", 1169],
  ["2MB", 777],
])("a queue of %p is room in the memory's limit", async (queueBytesMax, mebibytes) => {
  const config = { flow: { queueBytesMax, lagBytes: 65_536 }, limits: { dataBytesMax: 16_384 } };
  const all = await objects({ values: merged(BASE, { config }) });
  const [container] =
    podOf(all.find(({ kind }) => kind === "Deployment") ?? NOTHING)?.containers ?? [];
  expect(container?.resources?.limits?.memory).toBe(`${mebibytes}Mi`);
  // The node reads the same size from it.
  const loaded = configOf(all);
  expect(loaded.ok ? [] : loaded.problems).toEqual([]);
});

const NOTHING: KubeObject = { apiVersion: "v1", kind: "Nothing", metadata: { name: "nothing" } };
