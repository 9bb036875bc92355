// Checks docs/operations/pipelines.md: each line with `holdfast` does what the page says against an
// API server, and Argo CD's check by a real Lua says how a set is.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Status } from "@holdfast/operator";
import { statusOf } from "@holdfast/operator/resource";
import { realtimeSet } from "@holdfast/operator/resource-cases";
import { findExecutable } from "../../tools/run/debian.mjs";
import { type ApiServer, createPki, type Pki, startApiServer } from "../doctor/api-server.ts";
import { patience } from "../patience.ts";
import { ROOT, type Sample, samplesOf } from "./pages.ts";

setDefaultTimeout(patience(30_000));

const PAGE = "docs/operations/pipelines.md";
const SETS = "/apis/holdfast.dev/v1alpha1/namespaces/realtime";
const NOW_MS = 1_700_000_000_000;
const samples = samplesOf(PAGE, readFileSync(`${ROOT}${PAGE}`, "utf8"));
const folder = mkdtempSync(join(tmpdir(), "holdfast-pipelines-"));

type Json = Readonly<Record<string, unknown>>;
interface Case {
  readonly status: Status | undefined;
  readonly isPaused?: true;
  /** Of the spec; what the operator has seen is 4. */
  readonly generation?: number;
  readonly wait: number;
  readonly health: string;
}

const RELEASE = { to: "b", from: "a", phase: "advancing", step: 0, progress: "p" } as const;
const GOING: Status = {
  ...{ stable: "a", release: RELEASE, rejected: [] },
  ...{ condition: "Progressing", message: "Pod p drains." },
};
const CASES: Readonly<Record<string, Case>> = {
  "everybody is on the new revision": {
    status: { stable: "b", rejected: [], condition: "Settled", message: "Fine." },
    ...{ wait: 0, health: "Healthy" },
  },
  "it was rolled back": {
    status: { stable: "a", rejected: ["b"], condition: "Settled", message: "b was bad." },
    ...{ wait: 10, health: "Degraded" },
  },
  "it is paused": {
    status: { ...GOING, condition: "Waiting", message: "The release is paused." },
    ...{ isPaused: true, wait: 11, health: "Suspended" },
  },
  "it moves": { status: GOING, wait: 12, health: "Progressing" },
  "the operator has not seen the change": {
    status: { stable: "b", rejected: [], condition: "Settled", message: "Fine." },
    ...{ generation: 5, wait: 12, health: "Progressing" },
  },
  "the operator has not seen the set": { status: undefined, wait: 12, health: "Progressing" },
};

function setOf({ status, isPaused, generation = 4 }: Case): Json {
  const set = realtimeSet({}, "rt-holdfast") as { readonly metadata: Json };
  const annotations = isPaused ? { "holdfast.dev/pause": "true" } : {};
  const metadata = { namespace: "realtime", uid: "u", resourceVersion: "1", generation };
  const facts = {
    ...{ generation: 4, replicas: 2, readyReplicas: 2, desiredReplicas: 2, connections: 9 },
    ...{ matchLabels: { app: "shop" }, updatedRevision: "b", nowMs: NOW_MS },
  };
  return {
    ...set,
    metadata: { ...set.metadata, ...metadata, annotations },
    status: status === undefined ? { observedGeneration: 0 } : statusOf(status, facts),
  };
}

let pki: Pki;
let server: ApiServer;
let now = Object.values(CASES)[0] as Case;

beforeAll(async () => {
  pki = await createPki();
  server = await startApiServer({
    ...{ pki, objects: [], token: "of-these-tests" },
    answer(path) {
      if (path === `${SETS}/realtimesets/rt-holdfast`) return Response.json(setOf(now));
      if (path === `${SETS}/realtimereleases`)
        return Response.json({ kind: "List", metadata: { resourceVersion: "1" }, items: [] });
      return undefined;
    },
  });
  const config = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "here" },
    clusters: [
      {
        name: "here",
        cluster: {
          server: server.url,
          "certificate-authority-data": Buffer.from(pki.ca).toString("base64"),
        },
      },
    ],
    users: [{ name: "user", user: { token: "of-these-tests" } }],
    contexts: [{ name: "here", context: { cluster: "here", user: "user" } }],
  };
  writeFileSync(join(folder, "kubeconfig"), JSON.stringify(config));
  const command = `#!/bin/sh\nexec ${process.execPath} ${ROOT}apps/holdfast/src/main.ts "$@"\n`;
  writeFileSync(join(folder, "holdfast"), command);
  chmodSync(join(folder, "holdfast"), 0o755);
});
afterAll(async () => {
  await server.stop();
  pki.remove();
  rmSync(folder, { recursive: true, force: true });
});

/** Runs a line as a pipeline does; waits are made short. */
async function shell(line: string): Promise<{ readonly code: number; readonly output: string }> {
  const script = line.replaceAll(/--timeout \w+/g, "--timeout 1s");
  const child = Bun.spawn(["sh", "-e", "-c", script], {
    cwd: ROOT,
    env: {
      ...process.env,
      PATH: [folder, process.env.PATH].join(delimiter),
      KUBECONFIG: join(folder, "kubeconfig"),
      GITHUB_OUTPUT: join(folder, "output"),
    },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code: await child.exited, output: out + err };
}

/** Texts below `run` and `script`, and the lines of shell samples. */
function scriptsOf({ language, text }: Sample): readonly string[] {
  if (language === "sh") return text.trim().split("\n");
  const found: string[] = [];
  const visit = (value: unknown, key: string): void => {
    if (typeof value === "string" && (key === "run" || key === "script")) found.push(value);
    else if (Array.isArray(value)) for (const one of value) visit(one, key);
    else if (typeof value === "object" && value !== null)
      for (const [name, inner] of Object.entries(value)) visit(inner, name);
  };
  visit(Bun.YAML.parse(text), "");
  return found;
}

const scripts = samples.flatMap(scriptsOf).filter((script) => /(^|\n)holdfast /.test(script));
const is = (name: string): void => {
  now = CASES[name] as Case;
};

test("there are lines to run: to wait, to promote, and to tell", () => {
  expect(scripts.length).toBeGreaterThanOrEqual(7);
  for (const verb of ["wait", "promote", "history"])
    expect(scripts.some((script) => script.includes(`holdfast rollout ${verb} `))).toBe(true);
});

test.each([...new Set(scripts)])("ends well if the release does: %s", async (script) => {
  is(script.includes(" promote ") ? "it is paused" : "everybody is on the new revision");
  expect(await shell(script)).toMatchObject({ code: 0 });
});

const PLAIN_WAIT = scripts.find((script) => script.startsWith("holdfast rollout wait")) ?? "";
describe.each(Object.entries(CASES))("%s", (name, { wait, health }) => {
  test(`waiting ends with ${wait}`, async () => {
    is(name);
    expect(await shell(PLAIN_WAIT)).toMatchObject({ code: wait });
  });

  test(`Argo CD's check says ${health}`, async () => {
    expect(await checked(setOf(CASES[name] as Case))).toMatch(new RegExp(`^${health}\\n.+`));
  });
});

test.each([
  ["everybody is on the new revision", 0],
  ["it is paused", 0],
  ["it was rolled back", 1],
] as const)("the step of GitHub Actions that branches, if %s, ends with %d", async (name, code) => {
  is(name);
  const step = scripts.find((script) => script.includes("GITHUB_OUTPUT")) ?? "";
  writeFileSync(join(folder, "output"), "");
  expect(await shell(step)).toMatchObject({ code });
  expect(readFileSync(join(folder, "output"), "utf8")).toBe(`ended=${now.wait}\n`);
});

/** What the page's check says of an object: the health, and the message below it. */
async function checked(object: Json): Promise<string> {
  const manifest = samples.find(({ text }) => text.includes("argocd-cm"))?.text ?? "";
  const { data } = Bun.YAML.parse(manifest) as { readonly data: Readonly<Record<string, string>> };
  const check = data["resource.customizations.health.holdfast.dev_RealtimeSet"] ?? "";
  // Argo CD opens no libraries: the check gets what it needs, and nothing else.
  const program = `local check = load(${literal(check)}, "check", "t", { obj = ${literal(object)}, ipairs = ipairs })
local hs = check()
print(hs.status)
print(hs.message)`;
  const lua = findExecutable("lua5.4", process.env.LUA, `${ROOT}.cache/lua`);
  if (lua === undefined)
    throw new Error("lua5.4 was not found: install it, or name it in LUA; npm test fetches it");
  const child = Bun.spawn([lua, "-"], {
    stdin: Buffer.from(program),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  expect({ code: await child.exited, err }).toEqual({ code: 0, err: "" });
  return out;
}

function literal(value: unknown): string {
  if (Array.isArray(value)) return `{ ${value.map(literal).join(", ")} }`;
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .filter(([, inner]) => inner !== undefined)
      .map(([name, inner]) => `[${literal(name)}] = ${literal(inner)}`)
      .join(", ")} }`;
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
