// Checks that what the operator asks and orders of gateways is what real gateways do: shares of
// clients, drains with receivers, counts.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayPlanes } from "@holdfast/operator-runtime";
import { freePort } from "../free-port.ts";
import { type PlainClient, plainClient, until } from "./bed.ts";

const MAIN = join(import.meta.dir, "../../apps/holdfast/src/main.ts");
/** Gateways of an operator share a port, and so do the pods of a set: each has its address. */
const GATEWAYS = ["127.0.0.1", "127.0.0.2"] as const;
const [FIRST, SECOND, THIRD] = ["127.0.0.11", "127.0.0.12", "127.0.0.13"] as const;
const PODS = [FIRST, SECOND, THIRD];
const KEY = randomBytes(24).toString("hex");
/** Of each gateway. */
const CLIENTS = 12;

const folder = mkdtempSync(join(tmpdir(), "holdfast-planes-"));
const servers: { stop(force: boolean): unknown }[] = [];
const gateways: Bun.Subprocess[] = [];
const clients: PlainClient[] = [];
let planes: GatewayPlanes;
let nowMs = 0;

const place = (address: string) => ({ uid: `pod-${address}`, address });
/** Answers are shared for a moment, so each question is of another one. */
const ask = (address: string) => {
  nowMs += 1000;
  return planes.ask(place(address));
};
const sessions = async (...addresses: readonly string[]): Promise<readonly number[]> => {
  const found: number[] = [];
  for (const address of addresses) found.push((await ask(address)).report.sessions);
  return found;
};

async function start(host: string, port: number, adminPort: number, podPort: number) {
  const file = join(folder, `${host}.json`);
  const keyHash = `sha256:${createHash("sha256").update(KEY).digest("hex")}`;
  const config = {
    ...{ host, port, admin: { host, port: adminPort } },
    apiKeys: [{ name: "operator", keyHash, scopes: ["endpoints", "drain"] }],
    routes: [
      {
        ...{ name: "shop", path: "/", profile: "stateless", slowStartMs: 0 },
        service: { static: PODS.map((address) => `${address}:${podPort}`) },
      },
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  const command = [process.execPath, MAIN, "gateway", "--config", file];
  gateways.push(Bun.spawn(command, { stdin: "ignore", stdout: "ignore", stderr: "inherit" }));
  let isReady = false;
  const look = async () => {
    const answer = await fetch(`http://${host}:${adminPort}/readyz`).catch(() => undefined);
    isReady = answer?.ok === true;
  };
  const timer = setInterval(() => void look(), 50);
  await until(`the gateway at ${host} is ready`, () => isReady).finally(() => clearInterval(timer));
}

beforeAll(async () => {
  const [port, adminPort, podPort] = [await freePort(), await freePort(), await freePort()];
  for (const hostname of PODS)
    servers.push(
      Bun.serve({
        ...{ hostname, port: podPort },
        fetch: (request, server) =>
          server.upgrade(request) ? undefined : new Response("it is no socket", { status: 400 }),
        websocket: { message: (socket, frame) => void socket.send(`re:${frame}`) },
      }),
    );
  for (const host of GATEWAYS) await start(host, port, adminPort, podPort);
  planes = new GatewayPlanes({
    ...{ port: adminPort, scheme: "http", route: "shop", podPort, connectionsMax: 100 },
    gateways: async () => GATEWAYS,
    // Each pod is the only one of its revision here.
    podsOf: (revision) => [revision],
    key: async () => KEY,
    whyGone: async () => undefined,
    nowMs: () => nowMs,
  });
  for (const host of GATEWAYS)
    for (let count = 0; count < CLIENTS; count++)
      clients.push(await plainClient(`ws://${host}:${port}/`));
});
afterAll(async () => {
  for (const { socket } of clients) socket.close();
  for (const gateway of gateways) gateway.kill("SIGKILL");
  for (const server of servers) await server.stop(true);
  rmSync(folder, { recursive: true, force: true });
});

/** Resolves when the pod carries so many. */
async function carries(address: string, count: number): Promise<void> {
  let found = Number.NaN;
  const timer = setInterval(async () => {
    [found = Number.NaN] = await sessions(address);
  }, 50);
  const what = `${address} carries ${count}`;
  await until(what, () => found === count).finally(() => clearInterval(timer));
}

async function everybodyTalks(): Promise<void> {
  for (const client of clients) client.got.length = 0;
  for (const { socket } of clients) socket.send("x");
  await until("everybody is answered", () => clients.every(({ got }) => got.includes("re:x")));
  expect(clients.filter(({ closed }) => closed !== undefined)).toEqual([]);
}

test("a pod's connections are those of all gateways", async () => {
  expect(await sessions(...PODS)).toEqual([8, 8, 8]);
  const { report } = await ask(FIRST);
  expect(report).toMatchObject({ state: "ready", fixedSockets: 0, fence: 0 });
});

test("a pod keeps so many, and the pods that are named take the others", async () => {
  await planes.shed(place(FIRST), { keep: 3, toRevision: THIRD, windowMs: 60_000 });
  await carries(FIRST, 3);
  const { report } = await ask(FIRST);
  expect(report).toMatchObject({ state: "ready", shed: { keep: 3, toRevision: THIRD } });
  expect(await sessions(SECOND, THIRD)).toEqual([8, 13]);
  await everybodyTalks();
});

test("a drain empties a pod into those that are named; an older token is refused", async () => {
  await planes.drain(place(SECOND), { token: 7, windowMs: 60_000, toRevision: THIRD });
  await carries(SECOND, 0);
  const { report } = await ask(SECOND);
  expect(report).toMatchObject({ state: "draining", fence: 7 });
  expect(report.drainLeftMs).toBeGreaterThan(0);
  expect(await sessions(FIRST, THIRD)).toEqual([3, 21]);
  await everybodyTalks();
  const older = planes.serve(place(SECOND), { token: 6 });
  await expect(older).rejects.toMatchObject({ code: "refused" });
  await planes.serve(place(SECOND), { token: 8 });
  expect((await ask(SECOND)).report.state).toBe("ready");
});

test("what clients felt is counted by pod", async () => {
  const { felt } = await ask(THIRD);
  expect(felt).toMatchObject({ resumes: 13, resumesFailed: 0, lost: 0, closedAbnormally: 0 });
  expect(felt?.connectionMinutes).toBeGreaterThan(0);
});
