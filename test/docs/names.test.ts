// Owns: the check that what the documents name exists: files, options, metrics, codes, events,
// flags, and defaults as they are stated.

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { optionRows } from "@holdfast/config";
import { GATEWAY_METRICS } from "@holdfast/gateway";
import { GATEWAY_OPTIONS, GATEWAY_SCOPES } from "@holdfast/gateway/options";
import { OWN_ERRORS } from "@holdfast/load";
import { OPERATOR_METRICS } from "@holdfast/operator-runtime";
import { CODES } from "@holdfast/protocol";
import { METRICS } from "@holdfast/server";
import { API_SCOPES, NODE_OPTIONS } from "@holdfast/server/options";
import { type ChartValue, readChartValues } from "../../tools/chart/values-file.ts";
import { brokenLinks } from "../../tools/tidy/documents.ts";
import { lineAt, pages, ROOT } from "./pages.ts";

const all = await pages();
const rows = optionRows(NODE_OPTIONS);
const gatewayRows = optionRows(GATEWAY_OPTIONS);

interface Named {
  readonly text: string;
  readonly at: string;
}

/** Everything in backticks outside of code blocks that has the form. */
function named(form: RegExp): readonly Named[] {
  return all.flatMap(({ path, text }) => {
    const prose = text.replaceAll(/^```[\s\S]*?^```/gm, (code) => code.replaceAll(/[^\n]/g, " "));
    return [...prose.matchAll(/`([^`\n]+)`/g)].flatMap((match) => {
      const name = match[1] ?? "";
      return form.test(name) ? [{ text: name, at: `${path}:${lineAt(prose, match.index)}` }] : [];
    });
  });
}

/** The same, code blocks included. */
function written(form: RegExp): readonly Named[] {
  return all.flatMap(({ path, text }) =>
    [...text.matchAll(form)].map((match) => ({
      text: match[0],
      at: `${path}:${lineAt(text, match.index)}`,
    })),
  );
}

const missing = (found: readonly Named[], known: ReadonlySet<string>): readonly string[] =>
  found.filter(({ text }) => !known.has(text)).map(({ text, at }) => `${at}: ${text}`);

test("relative links lead somewhere", () => {
  const repository = {
    exists: (path: string) => existsSync(`${ROOT}${path}`),
    read: (path: string) =>
      existsSync(`${ROOT}${path}`) ? readFileSync(`${ROOT}${path}`, "utf8") : undefined,
  };
  const broken = all
    .flatMap(({ path }) => brokenLinks(path, repository))
    .map(({ path, line, text }) => `${path}:${line}: ${text}`);
  expect(broken).toEqual([]);
});

test("the index has a line for every page of the guide, of operations and of the reference", () => {
  const index = all.find(({ path }) => path === "docs/README.md")?.text ?? "";
  const folders = ["guide", "operations", "reference", "adr", "benchmarks"].filter((folder) =>
    existsSync(`${ROOT}docs/${folder}`),
  );
  const files = folders.flatMap((folder) =>
    [...new Bun.Glob("*.md").scanSync(`${ROOT}docs/${folder}`)].map((file) => `${folder}/${file}`),
  );
  expect(files.length).toBeGreaterThan(12);
  expect(files.filter((file) => !index.includes(`](${file})`))).toEqual([]);
});

test("files that are named exist", () => {
  const paths = named(/^(?:[\w.-]+\/)+[\w.-]+\.(?:tsx?|mjs|md|json|ya?ml)$/).filter(
    ({ text }) => !/^my-(app|telemetry)\//.test(text),
  );
  expect(paths.filter(({ text }) => !existsSync(`${ROOT}${text}`))).toEqual([]);
});

test("options that are named exist", () => {
  const groups = [
    ...new Set(rows.flatMap(({ name }) => (name.includes(".") ? [name.split(".")[0]] : []))),
  ];
  const options = named(new RegExp(`^(?:${groups.join("|")})\\.[a-zA-Z.]+$`));
  expect(options.length).toBeGreaterThan(30);
  // A group, as in `auth.jwt`, is named where the whole of it is meant.
  const parents = rows.flatMap(({ name }) =>
    name.includes(".") ? [name.slice(0, name.lastIndexOf("."))] : [],
  );
  const contexts = ["log.level", "log.format"];
  // Some groups of the charts' values have names of groups of options.
  const values = ["deploy/chart", "deploy/gateway/chart"].flatMap((chart) =>
    valuePaths(readChartValues(readFileSync(`${ROOT}${chart}/values.yaml`, "utf8"))),
  );
  expect(
    missing(
      options,
      new Set([
        ...[...rows, ...gatewayRows].map(({ name }) => name),
        ...parents,
        ...contexts,
        ...values,
      ]),
    ),
  ).toEqual([]);
});

function valuePaths(values: readonly ChartValue[]): readonly string[] {
  return values.flatMap(({ path, children }) => [path, ...valuePaths(children ?? [])]);
}

test("environment variables that are named exist", () => {
  const variables = written(/\bHOLDFAST_[A-Z_]+\b/g);
  expect(variables.length).toBeGreaterThan(5);
  expect(
    missing(
      variables,
      new Set([
        ...[...rows, ...gatewayRows].map(({ env }) => env),
        ...["HOLDFAST_CONFIG", "HOLDFAST_GATEWAY_CONFIG", "HOLDFAST_BENCH_TOKEN"],
      ]),
    ),
  ).toEqual([]);
});

test("flags of the command that are named exist", () => {
  const cli = readFileSync(`${ROOT}apps/holdfast/src/cli.ts`, "utf8");
  const own = [...cli.matchAll(/(?<=[" ])--[a-z-]+/g)].map(([flag]) => flag);
  const ofPlan = [
    ...readFileSync(`${ROOT}apps/holdfast/src/plan-flags.ts`, "utf8").matchAll(
      /^ {2}\[\s*"([a-z-]+)",\s*"/gm,
    ),
  ].map(([, name]) => `--${name}`);
  const inline = readFileSync(`${ROOT}apps/holdfast/src/plan-command.ts`, "utf8").matchAll(
    /(?<=")--[a-z-]+/g,
  );
  const bench = ["options.ts", "command.ts"].map((file) =>
    readFileSync(`${ROOT}apps/holdfast/src/bench/${file}`, "utf8"),
  );
  const ofBench = bench.flatMap((text) =>
    [...text.matchAll(/(?<=[" ])--[a-z-]+/g)].map(([flag]) => flag),
  );
  const known = new Set([
    ...ofBench,
    ...rows.flatMap(({ flag }) => (flag === undefined ? [] : [flag])),
    ...own,
    ...ofPlan,
    ...[...inline].map(([flag]) => flag),
    "--help",
  ]);
  const lines = all.flatMap(({ path, text }) =>
    [...text.matchAll(/^.*\bholdfast (?:dev|serve|config|token|keygen|plan|bench)\b.*$/gm)].map(
      (match) => ({ path, text, match }),
    ),
  );
  const flags = lines.flatMap(({ path, text, match }) =>
    [...match[0].matchAll(/(?<=\s)--[a-z][a-z-]+/g)].map(([flag]) => ({
      text: flag,
      at: `${path}:${lineAt(text, match.index)}`,
    })),
  );
  expect(flags.length).toBeGreaterThan(3);
  expect(missing(flags, known)).toEqual([]);
});

test("defaults that stand in brackets behind an option are its own", () => {
  const stated = all.flatMap(({ path, text }) =>
    [...text.matchAll(/`([a-zA-Z.]+)`\s+\(([\d.,]+)\s*([a-zA-Z]*)\b[^)]*\)/g)].flatMap((match) => {
      // The gateway has options of the same names.
      const own = path.startsWith("docs/guide/gateway") ? gatewayRows : rows;
      const row = own.find(({ name }) => name === match[1]);
      return row === undefined
        ? []
        : [
            {
              row,
              value: amountOf(match[2] ?? "", match[3] ?? ""),
              at: `${path}:${lineAt(text, match.index)}`,
            },
          ];
    }),
  );
  expect(stated.length).toBeGreaterThan(20);
  expect(
    stated
      .filter(({ row, value }) => row.option.default !== value)
      .map(({ row, value, at }) => `${at}: ${row.name} ${value}`),
  ).toEqual([]);
});

test("metrics that are named exist", () => {
  const metrics = written(/\bholdfast_[a-z_]+\b/g).map((metric) => ({
    ...metric,
    text: metric.text.replace(/_(bucket|sum|count)$/, ""),
  }));
  expect(metrics.length).toBeGreaterThan(10);
  const known = new Set([
    ...Object.keys(METRICS),
    ...Object.keys(OPERATOR_METRICS),
    ...Object.keys(GATEWAY_METRICS),
  ]);
  expect(missing(metrics, known)).toEqual([]);
});

test("codes, events and operations that are named exist", () => {
  const names = named(/^[a-z]+(?:_[a-z]+)+$/).filter(
    ({ text }) => !/^(holdfast|process)_/.test(text),
  );
  expect(names.length).toBeGreaterThan(40);
  const known = new Set<string>([
    ...Object.keys(CODES),
    ...events(),
    ...apiNames(),
    ...API_SCOPES,
    ...GATEWAY_SCOPES,
    ...reasons(),
    ...OWN_ERRORS,
  ]);
  expect(missing(names, known)).toEqual([]);
});

function amountOf(digits: string, unit: string): number {
  const factor: Readonly<Record<string, number>> = {
    s: 1000,
    min: 60_000,
    minutes: 60_000,
    KiB: 1024,
    MiB: 1024 * 1024,
  };
  return Number(digits.replaceAll(",", "")) * (factor[unit] ?? 1);
}

/** Names of log events, as the programs write them. */
function events(): readonly string[] {
  const files = [
    "packages/server/src/events.ts",
    "packages/server/src/log/logger.ts",
    "apps/holdfast/src/events.ts",
    "apps/holdfast/src/gateway/events.ts",
  ];
  return files.flatMap((file) =>
    [...readFileSync(`${ROOT}${file}`, "utf8").matchAll(/"([a-z]+(?:_[a-z]+)+)"/g)].map(
      (match) => match[1] ?? "",
    ),
  );
}

/** Operations of the HTTP API and codes that only it has, from its reference. */
function apiNames(): readonly string[] {
  const reference = readFileSync(`${ROOT}docs/reference/http-api.md`, "utf8");
  return [...reference.matchAll(/^(?:## |\| `)([a-z_]+)/gm)].map((match) => match[1] ?? "");
}

/** Values of labels that are named in a metric's description. */
function reasons(): readonly string[] {
  return Object.values(METRICS).flatMap(({ help }) =>
    [...help.matchAll(/`([a-z_]+)`/g)].map((match) => match[1] ?? ""),
  );
}
