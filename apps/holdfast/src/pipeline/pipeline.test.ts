import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "../cli.ts";
import type { Host } from "../host.ts";
import { diffLines } from "./diff.ts";
import { paramsOf } from "./replay.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-pipeline-"));
afterAll(() => rmSync(FOLDER, { recursive: true, force: true }));

const YAML = `
pipelines:
  heat:
    from: "in:{site}"
    steps:
      - filter: value.v > 0
      - window: { tumbling: 10s, time: value.at, key: params.site }
        aggregate: { n: count, total: { sum: value.v } }
      - to: { channel: "out:{key}" }
    late: { channel: late }
`;

const event = (at: number, v: number): string =>
  JSON.stringify({ value: { at, v }, params: { site: "north" } });

beforeAll(() => {
  writeFileSync(join(FOLDER, "p.yaml"), YAML);
  writeFileSync(
    join(FOLDER, "heat.one.events.ndjson"),
    [
      "# two windows",
      event(1, 1),
      event(2, 2),
      event(3, 0),
      event(15_000, 4),
      event(4, 1),
      "",
    ].join("\n"),
  );
});

async function run(...argv: readonly string[]) {
  let [out, err] = ["", ""];
  const host = {
    env: {},
    cwd: FOLDER,
    self: [],
    packed: false,
    colors: false,
    out: (text: string) => {
      out += text;
    },
    err: (text: string) => {
      err += text;
    },
  } as unknown as Host;
  const code = await runCli(["pipeline", ...argv], host);
  return { code, out, err };
}

test("check says what pipelines do, or every problem", async () => {
  const good = await run("check", "p.yaml");
  expect([good.code, good.err]).toEqual([0, ""]);
  expect(good.out).toContain("from in:{site}\n  filter | tumbling [n, total] | to");
  writeFileSync(
    join(FOLDER, "bad.yaml"),
    YAML.replace("10s", "soon").replace("value.v > 0", "v >"),
  );
  const bad = await run("check", "bad.yaml");
  expect(bad.code).toBe(2);
  expect(bad.err).toContain("steps[0].filter");
  expect(bad.err).toContain("steps[1]");
  expect((await run("check", "none.yaml")).code).toBe(2);
  expect((await run("check", "none.ts")).err).toContain("There is no contract file");
});

test("check says what sources read, and what is wrong with options of sinks and sources", async () => {
  const source = `
sources:
  plant:
    kafka: { brokers: ["kafka:9092"], topics: ["plant.{site}"], tls: { caFile: ca.pem } }
    channel: "in:{site}"
`;
  writeFileSync(join(FOLDER, "s.yaml"), YAML + source);
  const good = await run("check", "s.yaml");
  expect([good.code, good.err]).toEqual([0, ""]);
  expect(good.out).toContain("plant (source)\n  from kafka\n  into in:{site}\n");
  expect(good.out).toContain("1 pipeline, 1 source can run");
  const cases: readonly [string, string, string][] = [
    ["kafka:9092", "kafka", "expected a list of host:port"],
    ["plant.{site}", "plant.{", "topics"],
    ["{ caFile: ca.pem }", "{ certFile: c.pem }", "keyFile or keyFrom"],
    ["{ caFile: ca.pem }", "{ ca: x }", "caFile or caFrom"],
    ["    kafka:", "    amqp:", "expected kafka or nats"],
    ['to: { channel: "out:{key}" }', "to: { postgres: { table: t } }", "no urlFrom"],
    ['to: { channel: "out:{key}" }', "to: { sqs: {} }", "found a sink sqs"],
  ];
  for (const [right, wrong, told] of cases) {
    writeFileSync(join(FOLDER, "s.yaml"), (YAML + source).replace(right, wrong));
    const bad = await run("check", "s.yaml");
    expect([bad.code, bad.err.includes(told) || bad.err]).toEqual([2, true]);
  }
});

test("run prints what a pipeline gives, and what became of the events", async () => {
  const { code, out, err } = await run("run", "p.yaml", "--input", "heat.one.events.ndjson");
  expect(code).toBe(0);
  expect(
    out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
  ).toEqual([
    {
      output: "results",
      key: "north",
      value: { key: "north", fromMs: 0, toMs: 10_000, n: 2, total: 3 },
    },
    { output: "late", value: { at: 4, v: 1 } },
    {
      output: "results",
      key: "north",
      value: { key: "north", fromMs: 10_000, toMs: 20_000, n: 1, total: 4 },
    },
  ]);
  expect(err).toBe("events: 5 received, 1 filtered, 3 taken, 1 late\n");
  writeFileSync(join(FOLDER, "odd.ndjson"), "{}\n");
  expect((await run("run", "p.yaml", "--input", "odd.ndjson")).err).toContain('no member "value"');
  expect((await run("run", "p.yaml", "--input", "x", "--pipeline", "y")).err).toContain(
    "expected heat",
  );
});

test("test compares with what is expected, shows the difference, and can write it", async () => {
  expect((await run("test", "p.yaml", "--cases", ".")).out).toContain("no expected file");
  expect((await run("test", "p.yaml", "--cases", ".", "--update")).code).toBe(0);
  const good = await run("test", "p.yaml", "--cases", ".");
  expect(good.out).toBe("ok    heat.one\n1 passed, 0 failed\n");
  const target = join(FOLDER, "heat.one.expected.ndjson");
  writeFileSync(target, readFileSync(target, "utf8").replace('"total":3', '"total":5'));
  const bad = await run("test", "p.yaml", "--cases", ".");
  expect(bad.code).toBe(1);
  expect(bad.out).toMatch(/- .*"total":5.*\n.*\+ .*"total":3/);
  expect((await run("test", "p.yaml", "--cases", "nowhere")).code).toBe(2);
});

test("differences show what is missing, what is more, and a little around them", () => {
  const lines = Array.from({ length: 50 }, (_, i) => `line ${i}`);
  expect(diffLines(lines, lines)).toEqual([]);
  const found = [...lines.slice(0, 20), "new", ...lines.slice(21)];
  expect(diffLines(lines, found)).toEqual([
    "  ... 18 the same",
    "  line 18",
    "  line 19",
    "- line 20",
    "+ new",
    "  line 21",
    "  line 22",
  ]);
  const long = Array.from({ length: 5000 }, (_, i) => `${i}`);
  expect(diffLines(long, []).length).toBeLessThan(70);
});

test("a channel's name gives the parameters of the pattern", () => {
  expect(paramsOf("a.b:{site}:{device}", "a.b:north:7")).toEqual({ site: "north", device: "7" });
  expect(paramsOf("files:{path*}", "files:a:b")).toEqual({ path: "a:b" });
});
