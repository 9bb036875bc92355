// Owns: which stages a test run has. They follow from the folders that exist, so that no test is
// forgotten.
import { existsSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";

/**
 * @typedef {"client" | "packages" | "chromium" | "servers" | "prometheus" | "lua" | "languages" | "mosquitto" | "mosquitto-clients" | "nats" | "postgres" | "kafka" | "rivals" | "helm" | "cluster" | "keda" | "policies"} Need
 */

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {string[]} bunPaths files of `*.test.ts`, run by Bun
 * @property {string[]} nodeFiles files of `*.test.mjs`, run by Node
 * @property {Need[]} needs
 * @property {boolean} parallel whether files may run beside each other
 * @property {number} timeoutMs of the whole stage
 * @property {number} testTimeoutMs of one test
 * @property {boolean} onlyByName whether it runs only if it is named
 * @property {string} [problem] why the stage cannot run; it counts as failed
 */

/**
 * @typedef {{ needs?: Stage["needs"], parallel?: boolean, onlyByName?: boolean, timeoutMs: number, testTimeoutMs: number
 * }} Rules
 */

/**
 * Folders of test/ in the order in which they run; one that is missing or empty is a failure. A
 * folder that is not here runs behind them by the rules of `OTHER`.
 */
/** @type {Record<string, Rules>} */
const FOLDERS = {
  sim: { timeoutMs: 480_000, testTimeoutMs: 240_000 },
  integration: { timeoutMs: 300_000, testTimeoutMs: 30_000 },
  gateway: { needs: ["languages", "mosquitto"], timeoutMs: 480_000, testTimeoutMs: 60_000 },
  "back-ends": { needs: ["languages"], timeoutMs: 180_000, testTimeoutMs: 60_000 },
  redis: { needs: ["servers"], parallel: true, timeoutMs: 600_000, testTimeoutMs: 60_000 },
  sinks: {
    needs: ["servers", "mosquitto", "nats", "postgres", "kafka"],
    timeoutMs: 480_000,
    testTimeoutMs: 60_000,
  },
  mqtt: {
    needs: ["servers", "mosquitto-clients"],
    timeoutMs: 300_000,
    testTimeoutMs: 120_000,
  },
  telemetry: { needs: ["servers", "postgres"], timeoutMs: 300_000, testTimeoutMs: 150_000 },
  alerts: { needs: ["servers", "prometheus", "nats"], timeoutMs: 240_000, testTimeoutMs: 90_000 },
  prove: {
    needs: ["servers", "postgres", "kafka"],
    timeoutMs: 600_000,
    testTimeoutMs: 200_000,
  },
  image: { timeoutMs: 240_000, testTimeoutMs: 120_000 },
  chart: { needs: ["helm", "servers"], parallel: true, timeoutMs: 180_000, testTimeoutMs: 60_000 },
  compare: {
    needs: ["servers", "mosquitto", "nats", "rivals"],
    timeoutMs: 300_000,
    testTimeoutMs: 60_000,
  },
  bench: { parallel: true, timeoutMs: 240_000, testTimeoutMs: 30_000 },
  packages: {
    needs: ["packages", "chromium", "servers"],
    parallel: true,
    timeoutMs: 480_000,
    testTimeoutMs: 120_000,
  },
  runtime: { needs: ["client"], timeoutMs: 120_000, testTimeoutMs: 30_000 },
  browser: {
    needs: ["client", "chromium", "servers", "postgres"],
    ...{ timeoutMs: 480_000, testTimeoutMs: 60_000 },
  },
  cluster: {
    needs: ["servers", "helm", "cluster"],
    timeoutMs: 1_500_000,
    testTimeoutMs: 240_000,
  },
  // Building KEDA takes longer than all that it tests.
  keda: {
    needs: ["servers", "helm", "cluster", "keda"],
    onlyByName: true,
    timeoutMs: 1_200_000,
    testTimeoutMs: 240_000,
  },
  // For everybody else the cluster is as one whose network plugin ignores policies.
  policies: {
    needs: ["servers", "helm", "cluster", "policies"],
    onlyByName: true,
    timeoutMs: 900_000,
    testTimeoutMs: 240_000,
  },
  docs: { needs: ["lua"], timeoutMs: 180_000, testTimeoutMs: 30_000 },
};
/** @type {Rules} */
const OTHER = { timeoutMs: 180_000, testTimeoutMs: 30_000 };
/** @type {Rules} */
const UNIT = { parallel: true, timeoutMs: 240_000, testTimeoutMs: 20_000 };
const UNIT_FOLDERS = ["packages", "apps", "lab", "tools", "examples"];

/** @param {string} root @returns {Stage[]} */
export function discoverStages(root) {
  const unit = stage(
    "unit",
    UNIT_FOLDERS.flatMap((folder) => testFiles(root, folder)),
    UNIT,
  );
  const present = existsSync(join(root, "test"))
    ? readdirSync(join(root, "test"), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name)
    : [];
  const known = Object.keys(FOLDERS);
  const others = present.filter((name) => !known.includes(name)).sort();
  return [
    unit,
    ...[...known, ...others].map((name) =>
      stage(name, testFiles(root, `test/${name}`), FOLDERS[name] ?? OTHER),
    ),
  ];
}

/** @param {string} name @param {string[]} files @param {Rules} rules @returns {Stage} */
function stage(name, files, rules) {
  return {
    name,
    // With ./ they are paths; without, Bun takes them for parts of names.
    bunPaths: files.filter((file) => /\.test\.tsx?$/.test(file)).map((file) => `./${file}`),
    nodeFiles: files.filter((file) => file.endsWith(".test.mjs")),
    needs: rules.needs ?? [],
    parallel: rules.parallel ?? false,
    onlyByName: rules.onlyByName ?? false,
    timeoutMs: rules.timeoutMs,
    testTimeoutMs: rules.testTimeoutMs,
    ...(files.length === 0
      ? {
          problem:
            "found no test of this stage, expected some: write one, or remove the folder and its row in tools/run/stages.mjs",
        }
      : {}),
  };
}

/** Folders with what others run: a template's tests run in the projects that are made of it. */
const NOT_OURS = ["node_modules", "dist", "template"];

/**
 * Test files below a folder, sorted, as paths from the root.
 * @param {string} root
 * @param {string} folder
 * @returns {string[]}
 */
function testFiles(root, folder) {
  const top = join(root, folder);
  if (!existsSync(top)) return [];
  return readdirSync(top, { withFileTypes: true })
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return NOT_OURS.includes(entry.name) ? [] : testFiles(root, path);
      return /\.test\.(tsx?|mjs)$/.test(entry.name) ? [relative(".", path)] : [];
    })
    .sort();
}
