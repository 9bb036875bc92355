// Owns: the check that code in the documents is real: TypeScript compiles, what is marked `run`
// runs, configuration is accepted.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { loadConfig } from "@holdfast/config";
import type { ContractDefinition } from "@holdfast/contract";
import { GATEWAY_OPTIONS } from "@holdfast/gateway/options";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { API_KEY, startNode, type TestNode } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { isTyped, MARKS, pages, placeOf, ROOT, type Sample, samplesOf } from "./pages.ts";
import { compile, type Project, removeProjects, type SampleFile, writeProject } from "./project.ts";

setDefaultTimeout(patience(90_000));

const RUN_TIMEOUT_MS = patience(20_000);
/** Exit status of curl when a server answers with an error. */
const CURL_REFUSED = 22;
const SECRET = "a secret of at least thirty-two characters";
const MAIN = `${ROOT}apps/holdfast/src/main.ts`;

const samples = (await pages()).flatMap(({ path, text }) => samplesOf(path, text));
const marked = (sample: Sample) => sample.marks.has("run");
const contracts = new Map<string, string>();
let project: Project;

beforeAll(async () => {
  project = await writeProject("guides", samples);
  for (const { page } of samples) contracts.set(page, project.contractOf(page));
});
afterAll(removeProjects);

test("every sample in TypeScript compiles", async () => {
  expect(project.files.length).toBeGreaterThan(30);
  expect(await compile(project)).toEqual([]);
});

test("a sample that does not compile is found, with the line of its page", async () => {
  const page =
    'a\n\n<!-- sample: prelude=room -->\n```ts\nawait room.publish({ text: "hi" });\nawait room.publish({ txt: "hi" });\n```\n';
  const found = await compile(await writeProject("wrong", samplesOf("docs/wrong.md", page)));
  expect(found).toHaveLength(1);
  expect(found[0]).toStartWith("docs/wrong.md:6: error TS2561:");
});

test("marks of samples are known, and stand where they mean something", () => {
  const unknown = samples
    .filter(({ marks }) => [...marks.keys()].some((mark) => !MARKS.has(mark)))
    .map(placeOf);
  expect(unknown).toEqual([]);
  const idle = samples
    .filter((sample) => marked(sample) && !(isTyped(sample.language) || sample.language === "sh"))
    .map(placeOf);
  expect(idle).toEqual([]);
});

describe("samples that are marked run", () => {
  const runnable = samples.filter(marked);
  test("are many", () => expect(runnable.length).toBeGreaterThan(20));

  test.each(runnable.map((sample) => [placeOf(sample), sample] as const))(
    "%s",
    async (_place, sample) => {
      const node = await nodeFor(sample);
      try {
        const { code, output, errors } = await run(sample, node);
        if (sample.marks.has("refused")) expect(code).toBe(CURL_REFUSED);
        else expect({ code, errors }).toEqual({ code: 0, errors: "" });
        const expected = outputOf(sample);
        if (expected !== undefined) expect(output.trim()).toMatch(expected);
        expect(node.bugs).toEqual([]);
      } finally {
        await node.node.stop();
      }
    },
    RUN_TIMEOUT_MS + 10_000,
  );
});

describe("configuration in the documents", () => {
  const configurations = samples.filter(
    ({ language, marks }) => language === "yaml" && !marks.has("manifest") && !marks.has("gateway"),
  );
  test.each(configurations.map((sample) => [placeOf(sample), sample] as const))(
    "%s is accepted",
    (_place, { text }) => {
      const loaded = loadConfig(NODE_OPTIONS, { file: "holdfast.yaml", text });
      expect(loaded.ok ? [] : loaded.problems).toEqual([]);
    },
  );

  const gateways = samples.filter(({ marks }) => marks.has("gateway"));
  test.each(gateways.map((sample) => [placeOf(sample), sample] as const))(
    "%s is accepted by the gateway",
    (_place, { text }) => {
      const loaded = loadConfig(GATEWAY_OPTIONS, { file: "gateway.yaml", text });
      expect(loaded.ok ? [] : loaded.problems).toEqual([]);
    },
  );

  const manifests = samples.filter(({ marks }) => marks.has("manifest"));
  test.each(manifests.map((sample) => [placeOf(sample), sample] as const))(
    "%s is YAML",
    (_place, { text }) => {
      expect(typeof Bun.YAML.parse(text)).toBe("object");
    },
  );

  const json = samples.filter(({ language }) => language === "json");
  test.each(json.map((sample) => [placeOf(sample), sample] as const))(
    "%s is JSON",
    (_place, { text }) => {
      expect(() => JSON.parse(text)).not.toThrow();
    },
  );
});

/** A node with the contract of the sample's page, open to clients with and without a token. */
async function nodeFor({ page }: Sample): Promise<TestNode> {
  const path = contracts.get(page) ?? "";
  const exported: { readonly default?: ContractDefinition } = (await Bun.file(path).exists())
    ? await import(path)
    : {};
  const contract =
    exported.default ??
    ((await import("./preludes/holdfast.config.ts")).default as ContractDefinition);
  return startNode({ contract, env: { HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET } });
}

/** Samples speak of a node on the usual ports; here it has others. */
function pointedAt(text: string, node: TestNode): string {
  return text
    .replaceAll("ws://localhost:8000/connect", node.url)
    .replaceAll("http://localhost:8000", node.httpUrl)
    .replaceAll("http://localhost:9000", node.internalUrl);
}

async function run(
  sample: Sample,
  node: TestNode,
): Promise<{ code: number; output: string; errors: string }> {
  const file = project.files.find((candidate) => candidate.sample === sample);
  const command =
    file === undefined
      ? ["bash", "-euo", "pipefail", "-c", scriptOf(sample, node)]
      : await program(file, node);
  const child = Bun.spawn(command, {
    cwd: ROOT,
    env: {
      PATH: process.env.PATH ?? "",
      KEY: API_KEY,
      NO_COLOR: "1",
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: RUN_TIMEOUT_MS,
  });
  const [output, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, output, errors };
}

async function program({ path, text }: SampleFile, node: TestNode): Promise<string[]> {
  const copy = path.replace(/(\.\w+)$/, ".run$1");
  await Bun.write(copy, pointedAt(text, node));
  return [process.execPath, copy];
}

/** A node's error is curl's error here. */
function scriptOf({ text }: Sample, node: TestNode): string {
  const commands = [
    `holdfast() { "${process.execPath}" "${MAIN}" "$@"; }`,
    'curl() { command curl --fail-with-body "$@"; }',
  ];
  return [...commands, pointedAt(text, node)].join("\n");
}

/** What a sample is said to print, as a pattern; undefined where nothing is said. */
function outputOf(sample: Sample): RegExp | undefined {
  const next = samples[samples.indexOf(sample) + 1];
  if (next?.page !== sample.page || !next.marks.has("output")) return undefined;
  const escaped = next.text.trim().replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("\\.\\.\\.", "[^\\n]*")}$`);
}
