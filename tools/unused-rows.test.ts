// Checks that no row of a table is only a row: each option is read by code, and each metric is
// written by code that something calls.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { optionRows } from "@holdfast/config";
import { GATEWAY_METRICS } from "@holdfast/gateway";
import { GATEWAY_OPTIONS, ROUTE_FIELDS } from "@holdfast/gateway/options";
import { NODE_OPTIONS } from "@holdfast/server/options";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Shipped sources below a folder, without their comments. */
function sources(folder: string): readonly { readonly path: string; readonly text: string }[] {
  return [...new Bun.Glob(`${folder}/**/*.ts`).scanSync({ cwd: ROOT })]
    .filter((path) => !/node_modules|\.test\.ts$|\/testing/.test(path))
    .map((path) => ({ path, text: withoutComments(readFileSync(`${ROOT}${path}`, "utf8")) }));
}

const withoutComments = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, "");

const readers = [
  ...sources("packages/core/src"),
  ...sources("packages/server/src"),
  ...sources("apps/holdfast/src"),
].filter(({ path }) => !/server\/src\/options\/|core\/src\/settings\.ts$/.test(path));

/**
 * `limits.connectionsMax`, or `{ connectionsMax } = limits`, in a file that names the group or lies
 * in a folder of its name.
 */
function isRead(name: string, files = readers): boolean {
  const parts = name.split(".");
  const member = parts.at(-1) ?? "";
  const group = parts.at(-2) ?? "config";
  const access = new RegExp(`\\.${member}\\b|\\{[^{}]*\\b${member}\\b[^{}]*\\}[^;\\n]{0,40}[=:)]`);
  return files.some(
    ({ path, text }) =>
      access.test(text) && (new RegExp(`\\b${group}\\b`).test(text) || path.includes(`/${group}/`)),
  );
}

/** Members of an interface by its name. */
function membersOf(path: string, name: string): readonly string[] {
  const text = withoutComments(readFileSync(`${ROOT}${path}`, "utf8"));
  const body = new RegExp(`interface ${name} \\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? "";
  return [...body.matchAll(/^ {2}(?:readonly )?(\w+)[(:?]/gm)].map(([, member = ""]) => member);
}

test("each option is read", () => {
  const rows = optionRows(NODE_OPTIONS).map(({ name }) => name);
  expect(rows.length).toBeGreaterThan(60);
  expect(rows.filter((name) => !isRead(name))).toEqual([]);
  expect(isRead("limits.nobodyReadsMax")).toBe(false);
});

test("each option of the gateway, and each field of a route, is read", () => {
  const files = [...sources("packages/gateway/src"), ...sources("apps/holdfast/src")].filter(
    ({ path }) => !/gateway\/src\/options\//.test(path),
  );
  const rows = optionRows(GATEWAY_OPTIONS).map(({ name }) => name);
  const fields = Object.keys(ROUTE_FIELDS).map((name) => `options.${name}`);
  expect(rows.length).toBeGreaterThan(30);
  expect([...rows, ...fields].filter((name) => !isRead(name, files))).toEqual([]);
});

test("each metric of the gateway is written, beyond being begun at 0", () => {
  const text = sources("packages/gateway/src/metrics")
    .filter(({ path }) => !path.endsWith("table.ts"))
    .map((file) => file.text.replace(/\n {4}begin\([\s\S]*?\n {4}\},\n/, ""))
    .join("\n");
  const names = Object.keys(GATEWAY_METRICS);
  expect(names.length).toBeGreaterThan(20);
  expect(names.filter((name) => !text.includes(`"${name}"`))).toEqual([]);
});

test("each metric is written, beyond being begun at 0", () => {
  const files = sources("packages/server/src/metrics").filter(
    ({ path }) => !/table\.ts$/.test(path),
  );
  const written = files
    .map(({ text }) => text.replace(/\nfunction initialise\([\s\S]*?\n\}\n/, ""))
    .join("\n");
  const table = readFileSync(`${ROOT}packages/server/src/metrics/table.ts`, "utf8");
  const names = [...table.matchAll(/^ {2}(\w+): row\(/gm)].map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(50);
  const unwritten = names.filter((name) => !written.includes(`"${name}"`));
  expect(unwritten).toEqual([]);
});

test.each([
  ["packages/core/src/observer.ts", "Observer", ["packages/core/src"]],
  ["packages/server/src/metrics/metrics.ts", "ServerRecorder", ["packages/server/src"]],
] as const)("what %s declares as %s is called", (path, name, folders) => {
  const members = membersOf(path, name);
  expect(members.length).toBeGreaterThan(5);
  const text = folders
    .flatMap((folder) => sources(folder))
    .filter((file) => !/server\/src\/metrics\//.test(file.path))
    .map((file) => file.text)
    .join("\n");
  expect(members.filter((member) => !new RegExp(`\\.${member}\\b`).test(text))).toEqual([]);
});
