// Checks that what the chart renders runs: its Valkey, its nodes and its test pod as real
// processes, and a roll of one pod under clients, judged by the rendered grace period.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Holdfast } from "@holdfast/client";
import { type Balancer, startBalancer } from "@holdfast/relay";
import { parse as parseYaml } from "yaml";
import { freePort } from "../free-port.ts";
import { eventually, type RunningCommand, startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { findServer } from "../redis/find-servers.ts";
import { merged } from "./cases.ts";
import { CHART, type KubeObject, objects, type Values } from "./helm.ts";
import { podOf } from "./policy.ts";

setDefaultTimeout(patience(60_000));

const CLIENTS = 12;
const folder = mkdtempSync(join(tmpdir(), "holdfast-rollout-"));
const SECRETS: Readonly<Record<string, string>> = {
  VALKEY_PASSWORD: "a1b2c3d4e5f6",
  HOLDFAST_AUTH_RESUME_SECRET: "0123456789abcdef0123456789abcdef",
};

interface RunningPod {
  readonly command: RunningCommand;
  readonly name: string;
}

let all: readonly KubeObject[] = [];
let valkey: Bun.Subprocess | undefined;
let valkeyPort = 0;
let service: Balancer;
const pods: RunningPod[] = [];

/** The laptop's example with a drain that a test can wait for. */
async function render(): Promise<readonly KubeObject[]> {
  const laptop: Values = parseYaml(readFileSync(`${CHART}/examples/laptop.yaml`, "utf8"));
  const quick = {
    drain: { maxSeconds: 15, preDelaySeconds: 1 },
    connections: { perPod: 200, handshakesPerSecond: 100 },
  };
  return objects({ values: merged(laptop, quick) });
}

function podSpec(kind: string, name: string): NonNullable<ReturnType<typeof podOf>> {
  const object = all.find(
    (candidate) => candidate.kind === kind && candidate.metadata.name === name,
  );
  const pod = object === undefined ? undefined : podOf(object);
  if (pod === undefined) throw new Error(`no ${kind} ${name}`);
  return pod;
}

/**
 * Arguments and variables of a pod's container, with references and addresses as the cluster would
 * put them.
 */
function containerOf(pod: ReturnType<typeof podSpec>, fields: Readonly<Record<string, string>>) {
  const [container] = pod.containers;
  if (container === undefined) throw new Error("no container");
  const filled = (text: string) =>
    text
      .replaceAll(/\$\((\w+)\)/g, (_all, name: string) => SECRETS[name] ?? "")
      .replace("rt-holdfast-valkey:6379", `127.0.0.1:${valkeyPort}`);
  const env = container.env?.map(({ name, value }) => [
    name,
    value === undefined ? (SECRETS[name] ?? fields[name] ?? "") : filled(value),
  ]);
  return { args: container.args?.map(filled) ?? [], env: Object.fromEntries(env ?? []) };
}

async function startPod(name: string, revision: string): Promise<RunningPod> {
  const config = join(folder, "holdfast.yaml");
  writeFileSync(
    config,
    all.find(({ kind }) => kind === "ConfigMap")?.data?.["holdfast.yaml"] ?? "",
  );
  const { args, env } = containerOf(podSpec("Deployment", "rt-holdfast"), {
    HOLDFAST_NODE_ID: name,
    HOLDFAST_REVISION: revision,
  });
  const [port, internalPort] = [await freePort(), await freePort()];
  // Every pod has ports and a root of its own; processes of one machine do not.
  const place = {
    HOLDFAST_CONFIG: config,
    HOLDFAST_PORT: `${port}`,
    HOLDFAST_INTERNAL_PORT: `${internalPort}`,
    HOLDFAST_HOST: "127.0.0.1",
  };
  const command = startCommand(args, {
    env: { ...env, ...place, HOLDFAST_INTERNAL_HOST: "127.0.0.1" },
  });
  service.add({
    id: name,
    host: "127.0.0.1",
    port,
    readyUrl: `http://127.0.0.1:${internalPort}/readyz`,
  });
  await service.whenReady(name, patience(15_000)).catch((error: unknown) => {
    throw new Error(`${String(error)}:\n${command.output()}`);
  });
  const pod = { command, name };
  pods.push(pod);
  return pod;
}

beforeAll(async () => {
  all = await render();
  valkeyPort = await freePort();
  service = startBalancer({ checkEveryMs: 100 });
  const { args } = containerOf(podSpec("StatefulSet", "rt-holdfast-valkey"), {});
  const flags = args.slice(1).map((arg) => (arg === "/data" ? folder : arg));
  valkey = Bun.spawn(
    [findServer("valkey"), ...flags, "--port", `${valkeyPort}`, "--bind", "127.0.0.1"],
    {
      stdout: "ignore",
      stderr: "inherit",
    },
  );
});

afterAll(async () => {
  for (const { command } of pods) command.signal("SIGKILL");
  valkey?.kill();
  await valkey?.exited;
  service.stop();
  rmSync(folder, { recursive: true });
});

async function helmTest(): Promise<readonly [number, string]> {
  const { args, env } = containerOf(podSpec("Pod", "rt-holdfast-test"), {});
  const command = startCommand(
    args.map((arg) => arg.replace("rt-holdfast:8000", `127.0.0.1:${service.port}`)),
    { env },
  );
  return [await command.ended(), command.output()];
}

test("the pods start, and the test pod connects, publishes, receives and recovers through the Service", async () => {
  await startPod("rt-holdfast-1-a", "1");
  await startPod("rt-holdfast-1-b", "1");
  expect(await helmTest()).toEqual([
    0,
    expect.stringContaining("came back and received what was missed"),
  ]);
});

test("a pod that is replaced ends by itself in the grace period, and nobody disconnects or misses anything", async () => {
  const states: string[] = [];
  const received = Array.from({ length: CLIENTS }, (): number[] => []);
  const clients = received.map((offsets) => {
    const client = new Holdfast(`ws://127.0.0.1:${service.port}/connect`);
    client.on("state", ({ state, reason }) => void states.push(`${state} (${reason})`));
    return {
      client,
      subscription: client
        .channel("demo:roll")
        .subscribe(({ offset }) => void offsets.push(offset)),
    };
  });
  await Promise.all(clients.map(({ subscription }) => subscription.ready));
  const [leaving] = pods;
  if (leaving === undefined) throw new Error("no pod");
  const held = service.backends().find(({ id }) => id === leaving.name)?.connections ?? 0;
  expect(held).toBeGreaterThan(0);

  await startPod("rt-holdfast-2-c", "2");
  const grace = Number(podSpec("Deployment", "rt-holdfast").terminationGracePeriodSeconds);
  let published = 0;
  let rolling = true;
  const [first] = clients;
  const publishing = (async () => {
    for (; rolling && published < 2000; published += 1) {
      await first?.client.channel("demo:roll").publish({ n: published });
      await Bun.sleep(20);
    }
  })();
  // As the kubelet does it.
  leaving.command.signal("SIGTERM");
  const kill = setTimeout(() => leaving.command.signal("SIGKILL"), grace * 1000);
  expect(await leaving.command.ended()).toBe(0);
  clearTimeout(kill);
  rolling = false;
  await publishing;
  const last = await clients[0]?.client.channel("demo:roll").publish({ last: true });
  await eventually("everyone has everything", () =>
    received.every((offsets) => offsets.at(-1) === last?.offset),
  );

  const finished = leaving.command.events().find(({ event }) => event === "drain_finished");
  expect(finished).toMatchObject({ moved: held, cut: 0 });
  expect(new Set(states)).toEqual(new Set(["connected (connected)"]));
  for (const offsets of received)
    expect(offsets).toEqual(
      Array.from({ length: published + 1 }, (_, index) => (last?.offset ?? 0) - published + index),
    );
  await Promise.all(clients.map(({ client }) => client.close()));
  expect(await helmTest()).toEqual([0, expect.stringContaining("every step was done")]);
});
