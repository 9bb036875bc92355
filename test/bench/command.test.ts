// Owns: `holdfast bench` as people and pipelines use it: its output, its files, its exit statuses,
// Ctrl-C.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { childrenOf, eventually, isRunning, startCommand } from "../integration/command.ts";
import { type RunningNode, startServe } from "./servers/start.ts";

const QUICK = ["-n", "20", "-r", "500", "-d", "300ms", "--warm-up", "0ms"];
let node: RunningNode;
let folder: string;
beforeAll(async () => {
  [node, folder] = await Promise.all([startServe(), mkdtemp(join(tmpdir(), "holdfast-bench-"))]);
});
afterAll(async () => {
  await node?.stop();
  await rm(folder, { recursive: true });
});

const bench = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  startCommand(["bench", ...args], { cwd: folder, env });

test("a result is readable, says what the server cost, and keeps its file", async () => {
  const command = bench([
    "fanout",
    node.url,
    ...QUICK,
    "--publish-rate",
    "100",
    "--metrics",
    node.metricsUrl,
    "--slo",
    "p99<30s, lost=0",
    "--json",
    "result.json",
    "--html",
    "result.html",
  ]);
  expect(await command.ended()).toBe(0);
  expect(command.output()).toMatch(/steady, 0\.\d s: 21 connected/);
  expect(command.output()).toMatch(/account: lost 0, duplicated 0, out of order 0/);
  expect(command.output()).toMatch(/server 127\.0\.0\.1:\d+: CPU user .* a delivery .* RSS /);
  expect(command.output()).toMatch(/SLO met {4}p99<30s, found /);
  const result = await Bun.file(join(folder, "result.json")).json();
  expect(result).toMatchObject({
    scenario: "fanout",
    lost: 0,
    wasStopped: false,
    slos: [{ isMet: true }, { isMet: true }],
  });
  expect(await Bun.file(join(folder, "result.html")).text()).toMatch(
    /<title>Load: fanout<.*Every objective is met.*<svg/s,
  );
  expect(result.servers[0].cpuUsPerDelivery).toBeGreaterThan(0);
  expect(result.total.times.delivery.count).toBe(result.total.counts.sent * 20);
});

test("JSON on standard output can be piped: nothing else is there", async () => {
  const child = Bun.spawn(
    [
      process.execPath,
      join(import.meta.dir, "../../apps/holdfast/src/main.ts"),
      "bench",
      "ping",
      node.url,
      ...QUICK,
      "--json",
      "-",
    ],
    {
      stdout: "pipe",
      stderr: "ignore",
    },
  );
  expect(JSON.parse(await new Response(child.stdout).text())).toMatchObject({ scenario: "ping" });
  expect(await child.exited).toBe(0);
});

test("an objective that is missed has a status of its own, and says what was found", async () => {
  const command = bench(["ping", node.url, ...QUICK, "--slo", "ping.max<1us,lost=0"]);
  expect(await command.ended()).toBe(4);
  expect(command.output()).toMatch(/SLO MISSED ping\.max<1us, found \d/);
});

test("a server that nobody reaches is said, with a status of its own", async () => {
  const port = await freePort();
  const command = bench(["connect", `ws://127.0.0.1:${port}`, ...QUICK]);
  expect(await command.ended()).toBe(3);
  expect(command.output()).toMatch(
    /found no connection in \d+ attempts \(econnrefused \d+\), expected at least one/,
  );
});

test("a server that refuses the channel is said at once, with its code", async () => {
  const command = bench(["fanout", node.url, ...QUICK, "--channel", "no:such:channel:here"]);
  expect(await command.ended()).toBe(3);
  expect(command.output()).toMatch(
    /found 20 of 21 connections refused finally \(channel_unknown 20\)/,
  );
});

test("bad arguments are refused before anything is opened", async () => {
  const cases: [readonly string[], RegExp][] = [
    [["ping", "http://localhost"], /Expected a ws: or wss: URL/],
    [["ping", "ws://user:secret@localhost"], /without a user/],
    [["ping", node.url, "-n", "0"], /whole number from 1/],
    [["ping", node.url, "-d", "10"], /a time like 500ms/],
    [["ping", node.url, "--slo", "p42<1ms"], /found p42, expected p50/],
    [["ping", node.url, "--driver", "carrier-pigeon"], /Allowed choices are holdfast/],
    [["ping", node.url, "--source", "127.0.0.9-127.0.0.1"], /an address of this machine/],
    [["fanout", node.url, "--payload", '{"x":"{mark} {mark}"}'], /\{mark\} in it once/],
    [
      ["ping", node.url, "--json", "no/such/folder/result.json"],
      /Cannot write no\/such\/folder\/result\.json/,
    ],
    [["ping", node.url, "--token-file", "nowhere"], /--token-file: cannot be read/],
  ];
  const runs = cases.map(async ([args, message]) => {
    const command = bench(args);
    expect([args, await command.ended()]).toEqual([args, 2]);
    expect(command.output()).toMatch(message);
  });
  await Promise.all(runs);
});

test("Ctrl-C ends the load, reports what there is, and leaves no process behind", async () => {
  const command = bench([
    "ping",
    node.url,
    "-n",
    "10",
    "-r",
    "500",
    "-d",
    "10m",
    "--ping-rate",
    "100",
  ]);
  await command.until((output) => output.includes("steady"));
  const workers = childrenOf(command.pid);
  expect(workers.length).toBe(1);
  command.signal("SIGINT");
  expect(await command.ended()).toBe(0);
  expect(command.output()).toMatch(/these are the figures so far/);
  expect(command.output()).toMatch(/round trips \d+/);
  for (const worker of workers)
    await eventually("the worker has ended", async () => !(await isRunning(worker)));
});

test("a scenario file runs its phases, and its objectives decide", async () => {
  const scenario = `
name: small
groups:
  - { name: people, connections: 12, rooms: { name: "bench-{run}-{n}", size: 4 }, writes: { every: 100ms } }
phases:
  - { do: connect, rate: 500 }
  - { do: hold, name: quiet, for: 200ms, load: 0 }
  - { do: hold, name: busy, for: 400ms, load: 2, churn: 10 }
  - { do: drop, share: 0.5, within: 20s }
slo: ["lost=0, errors=0", "p99<1us"]
`;
  await Bun.write(join(folder, "small.yaml"), scenario);
  const command = bench(["scenario", "small.yaml", node.url, "--json", "scenario.json"]);
  expect([await command.ended(), command.output()]).toEqual([
    4,
    expect.stringContaining("SLO MISSED p99<1us"),
  ]);
  const { phases, slos } = await Bun.file(join(folder, "scenario.json")).json();
  expect(phases.map(({ name }: { name: string }) => name)).toEqual([
    "connect",
    "quiet",
    "busy",
    "drop",
  ]);
  expect(phases[1].counts.sent).toBe(0);
  // Half of those that are connected then: one or two may still be replaced.
  const { lostConnections, recovered } = phases[3].counts;
  expect(lostConnections).toBeOneOf([5, 6]);
  expect(recovered).toBe(lostConnections);
  expect(slos.map(({ isMet }: { isMet: boolean }) => isMet)).toEqual([true, true, false]);
  const wrong = bench(["scenario", "nowhere.yaml"]);
  expect(await wrong.ended()).toBe(2);
});

test("a worker that dies ends the run with a status of its own, and the others with it", async () => {
  const command = bench(["ping", node.url, "-n", "10", "-r", "500", "-d", "10m", "--workers", "2"]);
  await command.until((output) => output.includes("steady"));
  const workers = childrenOf(command.pid);
  process.kill(workers[0] ?? 0, "SIGKILL");
  expect(await command.ended()).toBe(1);
  expect(command.output()).toMatch(/Cannot continue: the process worker \d ended/);
  for (const worker of workers)
    await eventually("the worker has ended", async () => !(await isRunning(worker)));
});

test("a token gets in and never comes out", async () => {
  const secret = "a-secret-of-at-least-thirty-two-characters";
  const closed = await startServe({
    HOLDFAST_AUTH_INSECURE: "false",
    HOLDFAST_AUTH_JWT_HMAC_SECRET: secret,
    HOLDFAST_CHANNELS:
      '{"bench:{run}:{n}":{"permissions":{"publish":"anyone","subscribe":"anyone"}}}',
  });
  try {
    const made = startCommand(["token", "--sub", "load"], {
      env: { HOLDFAST_AUTH_JWT_HMAC_SECRET: secret },
    });
    await made.ended();
    const token = made.output().trim();
    const command = bench(["fanout", closed.url, ...QUICK, "--json", "with-token.json"], {
      HOLDFAST_BENCH_TOKEN: token,
    });
    expect([await command.ended(), command.output()]).toEqual([
      0,
      expect.stringContaining("lost 0"),
    ]);
    const written = command.output() + (await Bun.file(join(folder, "with-token.json")).text());
    expect(written).not.toContain(token);
    expect(written).not.toContain(token.split(".")[2] ?? "");
    const without = bench(["fanout", closed.url, ...QUICK]);
    expect(await without.ended()).toBe(3);
    expect(without.output()).toMatch(/unauthorized/);
  } finally {
    await closed.stop();
  }
  expect(await readdir(folder)).toContain("with-token.json");
});
