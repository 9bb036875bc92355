// Checks what the commands rely on: what counts as installed, how results are counted, which stages
// there are, how programs end.
import { afterAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { patience } from "../../test/patience.ts";
import { capture } from "./child.mjs";
import { findChromium } from "./chromium.mjs";
import { missingPackages } from "./install.mjs";
import { countBun, countNode, sum } from "./results.mjs";
import { measureSlowness } from "./slowness.mjs";
import { discoverStages } from "./stages.mjs";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-tools-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

function place(...paths: readonly string[]): string {
  const root = mkdtempSync(join(FOLDER, "r"));
  for (const path of paths) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), "");
  }
  return root;
}

describe("what is installed", () => {
  const lock = {
    packages: {
      "": {},
      "packages/x": { version: "0.1.0" },
      "node_modules/a": { version: "1.0.0" },
      "node_modules/b": { version: "2.0.0" },
      "node_modules/other-platform": { version: "1.0.0", optional: true },
      "node_modules/x": { resolved: "packages/x", link: true },
    },
  };
  const root = place(
    "node_modules/a/package.json",
    "node_modules/b/package.json",
    "node_modules/x/package.json",
  );

  test("nothing is missing when versions are the same", () => {
    const installed = {
      packages: { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.0" } },
    };
    expect(missingPackages(lock, installed, root)).toEqual([]);
  });
  test("another version is missing", () => {
    const installed = {
      packages: { "node_modules/a": { version: "1.0.1" }, "node_modules/b": { version: "2.0.0" } },
    };
    expect(missingPackages(lock, installed, root)).toEqual(["node_modules/a"]);
  });
  test("everything is missing on a fresh clone, and when an installation was broken off", () => {
    expect(missingPackages(lock, undefined, place())).toEqual([
      "node_modules/a",
      "node_modules/b",
      "node_modules/x",
    ]);
    expect(missingPackages(lock, undefined, root)).toEqual(["node_modules/a", "node_modules/b"]);
  });
  test("a package whose folder was removed by hand is missing", () => {
    const installed = { packages: lock.packages };
    expect(missingPackages(lock, installed, place("node_modules/a/p", "node_modules/x/p"))).toEqual(
      ["node_modules/b"],
    );
  });
});

describe("counts", () => {
  const junit =
    '<?xml version="1.0"?>\n<testsuites name="bun test" tests="7" assertions="1" failures="2" skipped="1" time="0.1">';
  test("of Bun's results", () => {
    expect(countBun({ junit, output: " 2 fail\n", code: 1 })).toEqual({
      passed: 4,
      failed: 2,
      skipped: 1,
    });
  });
  test("include files that could not be loaded, which only the closing lines know", () => {
    expect(countBun({ junit, output: "\n 4 pass\n 3 fail\n 1 error\n", code: 1 })).toEqual({
      passed: 4,
      failed: 3,
      skipped: 1,
    });
  });
  test("a run that ends badly without a failed test is one failure", () => {
    const clean = junit.replace('failures="2"', 'failures="0"');
    expect(countBun({ junit: clean, output: "", code: 139 })).toEqual({
      passed: 6,
      failed: 1,
      skipped: 1,
    });
  });
  test("a run without results is one failure, also when its status is 0", () => {
    expect(countBun({ junit: undefined, output: "", code: 0 })).toEqual({
      passed: 0,
      failed: 1,
      skipped: 0,
    });
  });
  test("of Node's results, where a cancelled test is a failed one", () => {
    const output =
      "# tests 9\n# suites 0\n# pass 5\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 1\n";
    expect(countNode({ output, code: 1 })).toEqual({ passed: 5, failed: 2, skipped: 2 });
  });
  test("are added", () => {
    expect(
      sum([
        { passed: 1, failed: 2, skipped: 3 },
        { passed: 4, failed: 5, skipped: 6 },
      ]),
    ).toEqual({ passed: 5, failed: 7, skipped: 9 });
  });
});

describe("stages", () => {
  const root = place(
    "packages/a/src/x.test.ts",
    "packages/a/node_modules/b/x.test.ts",
    "tools/y.test.ts",
    "test/sim/s.test.ts",
    "test/runtime/n.test.mjs",
    "test/browser/helper.ts",
    "test/soak/x.test.ts",
  );
  const stages = discoverStages(root);

  test("follow from the folders, known ones in their order and unknown ones behind them", () => {
    const names = stages.map((stage) => stage.name);
    expect([names[0], names[1], names.at(-1)]).toEqual(["unit", "sim", "soak"]);
    expect(names.indexOf("runtime")).toBeLessThan(names.indexOf("browser"));
  });
  test("have the files of each runner, and none of installed packages", () => {
    const files = stages.map((stage) => [...stage.bunPaths, ...stage.nodeFiles]);
    expect(files.filter((some) => some.length > 0)).toEqual([
      ["./packages/a/src/x.test.ts", "./tools/y.test.ts"],
      ["./test/sim/s.test.ts"],
      ["test/runtime/n.test.mjs"],
      ["./test/soak/x.test.ts"],
    ]);
  });
  test("run with all others, but those whose programs take longest to build", () => {
    const apart = stages.filter(({ onlyByName }) => onlyByName);
    expect(apart.map(({ name }) => name)).toEqual(["keda", "policies"]);
  });
  test("without a test are a problem, and so are known ones whose folder is missing", () => {
    const problems = stages.filter((stage) => stage.problem !== undefined);
    const names = problems.map((stage) => stage.name);
    expect(names).toContain("browser");
    expect(names).toContain("integration");
    expect(names).not.toContain("sim");
  });
});

test("a machine is at least as slow as a quiet one, and hangs still end", async () => {
  const slowness = await measureSlowness();
  expect(slowness).toBeGreaterThanOrEqual(1);
  expect(slowness).toBeLessThanOrEqual(8);
});

describe("programs", () => {
  test("give their output and their status", async () => {
    const run = await capture("sh", ["-c", "echo out; echo err >&2; exit 3"]);
    expect([
      run.code,
      run.output.includes("out"),
      run.output.includes("err"),
      run.timedOut,
    ]).toEqual([3, true, true, false]);
  });
  test("that cannot be started have a status of 127", async () => {
    expect((await capture(join(FOLDER, "nowhere"), [])).code).toBe(127);
  });
  test("are ended with all that they started when their time is over", async () => {
    const run = await capture("sh", ["-c", "sleep 600 & echo $!; sleep 600"], {
      timeoutMs: patience(500),
    });
    expect([run.timedOut, run.code]).toEqual([true, 143]);
    expect(await ends(Number(run.output.trim()))).toBe(true);
  });
  test("do not leave anything behind when they end by themselves", async () => {
    const run = await capture("sh", ["-c", "sleep 600 >/dev/null 2>&1 & echo $!"]);
    expect([run.code, await ends(Number(run.output.trim()))]).toEqual([0, true]);
  });
});

/** Whether a process that was killed is gone within a second or two: the system takes a moment. */
async function ends(pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < patience(200) && isRunning(pid); attempt++) await Bun.sleep(10);
  return !isRunning(pid);
}

/** A zombie that its new parent has not collected yet is not running. */
function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/^\d+ \(.*\) Z/.test(readFileSync(stat, "utf8"));
}

test("the browser named in CHROMIUM is taken, then the first in PATH", () => {
  const root = place("bin/chromium");
  expect(findChromium({ CHROMIUM: "/x/y", PATH: root })).toBe("/x/y");
  Bun.spawnSync(["chmod", "+x", join(root, "bin/chromium")]);
  expect(findChromium({ PATH: `/nowhere:${join(root, "bin")}` })).toBe(join(root, "bin/chromium"));
});
