// What the example says when it cannot start, and what its servers say to bad clients.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience } from "../../test/patience.ts";
import { PlainBalancer } from "./balancer.ts";
import { freePort, publicPort } from "./ports.ts";
import { ServerProcess } from "./server-process.ts";

setDefaultTimeout(patience(30_000));

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function run(...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), ...args], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
  });
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { status: await child.exited, out, err };
}

/** A port that another program has. */
function taken(): Promise<number> {
  const server = createServer();
  ends.push(() => server.close());
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => resolve(Object(server.address()).port));
  });
}

test.each([
  [["--help"], 0, "out", "--port"],
  [["--port", "high"], 2, "err", "expected a whole number from 0 to 65535"],
  [["--port", "65536"], 2, "err", "65536"],
  [["--nodes", "3"], 2, "err", "--nodes"],
] as const)("%j: %d", async (args, status, where, words) => {
  const ended = await run(...args);
  expect(ended.status).toBe(status);
  expect(ended[where]).toContain(words);
});

test("a port that is taken is named, with what to do", async () => {
  const port = await taken();
  const { status, err } = await run("--port", String(port));
  expect(status).toBe(1);
  expect(err).toContain(`Cannot listen on port ${port} of 127.0.0.1: another program has it.`);
  expect(err).toContain("--port");
});

test("if nobody asked for a port, any free one is as good as the usual one", async () => {
  const port = await publicPort("127.0.0.1", undefined);
  expect(await freePort("127.0.0.1", port)).toBe(port);
});

test("a balancer without a server hangs up, and goes on when there is one", async () => {
  const balancer = await PlainBalancer.start("127.0.0.1");
  ends.push(() => balancer.stop());
  const ask = (): Promise<string> =>
    fetch(`http://127.0.0.1:${balancer.port}/`).then(
      (answer) => answer.text(),
      () => "hung up",
    );
  expect(await ask()).toBe("hung up");
  const server = Bun.serve({ port: 0, fetch: () => new Response("here") });
  ends.push(() => server.stop(true));
  balancer.sendTo(`127.0.0.1:${server.port}`);
  expect(await ask()).toBe("here");
  await server.stop(true);
  expect(await ask()).toBe("hung up");
});

test("the game closes clients that say what it does not know, and goes on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-game-"));
  mkdirSync(join(folder, "world"));
  const server = await ServerProcess.start({ app: "game", version: 1, folder });
  ends.push(
    () => rmSync(folder, { recursive: true }),
    () => server.stop(),
  );
  const closedBy = (query: string, ...frames: readonly string[]): Promise<number> => {
    const socket = new WebSocket(`ws://${server.address}/game${query}`);
    socket.onopen = () => {
      for (const frame of frames) socket.send(frame);
    };
    return new Promise((resolve) => {
      socket.onclose = ({ code }) => resolve(code);
    });
  };
  const known = "?boat=a&name=Ada";
  expect(await closedBy("")).toBe(1008);
  expect(await closedBy("?boat=a/b&name=Ada")).toBe(1008);
  for (const frame of ["", "{}", "null", '{"seq":1,"heading":[1]}', '{"seq":1,"heading":[1,null]}'])
    expect(await closedBy(known, frame)).toBe(1008);
  expect(await closedBy(known, "x".repeat(2000))).toBe(1009);
  const socket = new WebSocket(`ws://${server.address}/game${known}`);
  const { data } = await new Promise<MessageEvent>((resolve) => {
    socket.onmessage = resolve;
  });
  expect(JSON.parse(data)).toMatchObject({ server: `v1 · ${server.pid}`, boats: [{ id: "a" }] });
  socket.close();
});
