// Runs docs/guide/operator.md on a real cluster: its files, its commands in their order, and what
// they are said to print.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { kubectl } from "../../tools/cluster/control-plane.ts";
import { ensurePrograms, type Programs } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { placeOf, ROOT, samplesOf } from "../docs/pages.ts";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(600_000));

const PAGE = "docs/guide/operator.md";
const NAMESPACE = "tutorial";
const samples = samplesOf(PAGE, readFileSync(`${ROOT}${PAGE}`, "utf8"));
const folder = mkdtempSync(join(tmpdir(), "holdfast-guide-"));
let programs: Programs;
/** Groups of processes that blocks started, by the process that leads each. */
const groups: number[] = [];

const removed = (): Promise<string> =>
  kubectl(programs, ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait"], {
    timeoutMs: patience(180_000),
  });

beforeAll(async () => {
  programs = await ensurePrograms();
  await removed();
  const crds = `${ROOT}deploy/operator/crds`;
  const apply = ["apply", "--server-side", "--force-conflicts", "-f", crds];
  await kubectl(programs, apply, { timeoutMs: patience(60_000) });
  // The clone, as the page means it, with a folder `my-app` of its own.
  for (const name of ["deploy", "node_modules", "packages"])
    symlinkSync(`${ROOT}${name}`, join(folder, name));
  for (const name of ["bin", "my-app"]) mkdirSync(join(folder, name));
  const helm = process.env.HELM ?? "helm";
  const programsOfPage: Readonly<Record<string, string>> = {
    holdfast: `exec ${process.execPath} ${ROOT}apps/holdfast/src/main.ts "$@"`,
    kubectl: `exec ${programs.kubernetes} kubectl "$@"`,
    // The CRDs of this cluster belong to nobody's release: others test on it, too.
    helm: `case " $* " in *" install holdfast-operator "*) exec ${helm} "$@" --set crds.install=false ;; esac
exec ${helm} "$@"`,
  };
  for (const [name, text] of Object.entries(programsOfPage)) {
    writeFileSync(join(folder, "bin", name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, "bin", name), 0o755);
  }
  for (const { marks, text } of samples) {
    const file = marks.get("file");
    if (file !== undefined) writeFileSync(join(folder, "my-app", file), text);
  }
});
afterAll(async () => {
  for (const group of groups) killGroup(group);
  await removed();
  rmSync(folder, { recursive: true, force: true });
});

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGTERM");
  } catch {
    // All of it has ended.
  }
}

/** Runs a block as a person types it, and resolves with what it printed when its shell ends. */
async function typed(block: string): Promise<{ readonly code: number; readonly output: string }> {
  const out = join(folder, `${crypto.randomUUID()}.log`);
  const to = openSync(out, "w");
  const child = Bun.spawn(["setsid", "sh", "-e", "-c", block], {
    cwd: folder,
    env: {
      ...process.env,
      KUBECONFIG: PATHS.kubeconfig,
      PATH: [join(folder, "bin"), process.env.PATH].join(delimiter),
    },
    stdin: "ignore",
    stdout: to,
    stderr: to,
  });
  groups.push(child.pid);
  const code = await child.exited;
  return { code, output: readFileSync(out, "utf8") };
}

/** What a sample of an output says: `...` stands for anything, and columns for any space. */
function pattern(text: string): RegExp {
  const parts = text
    .trim()
    .split("...")
    .map((part) =>
      part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/\s+/g, String.raw`\s+`),
    );
  return new RegExp(`^${parts.join(String.raw`[\s\S]*?`)}\\s*$`);
}

test("outputs are compared as they are meant", () => {
  expect("a 1\nb  2\n").toMatch(pattern("...\nb ..."));
  expect("a 1\nb  2\n").not.toMatch(pattern("b ..."));
  expect('{"connected":59,"gaps":0}').not.toMatch(pattern('{"connected":60,"gaps":...}'));
});

const blocks = samples.flatMap((sample, index) => {
  const next = samples[index + 1];
  if (sample.language !== "sh") return [];
  const output = next?.marks.has("output") ? next.text : undefined;
  return [[placeOf(sample), sample.text, output] as const];
});

test("the page has blocks, and says of most what they print", () => {
  expect(blocks.length).toBeGreaterThan(8);
  expect(blocks.filter(([, , output]) => output !== undefined).length).toBeGreaterThan(5);
});

let hasFailed = false;
test.each(blocks)("%s", async (_place, block, output) => {
  // What follows a block that failed would fail in some other way.
  expect({ hasFailed }).toEqual({ hasFailed: false });
  hasFailed = true;
  const found = await typed(block);
  expect(found).toMatchObject({ code: 0 });
  if (output !== undefined) expect(found.output).toMatch(pattern(output));
  hasFailed = false;
});
