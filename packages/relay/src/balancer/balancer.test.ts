import { afterAll, expect, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { type Balancer, startBalancer } from "./balancer.ts";

const cleanups: (() => unknown)[] = [];
afterAll(() => {
  for (const cleanup of cleanups) cleanup();
});

/** A backend that says its name to whoever connects and then echoes. */
function backend(id: string) {
  let ready = true;
  const echo = Bun.serve<undefined>({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, server) {
      if (server.upgrade(request, { data: undefined })) return undefined;
      return new Response(id, { status: ready ? 200 : 503 });
    },
    websocket: {
      data: undefined,
      open: (socket) => void socket.send(id),
      message: (socket, text) => void socket.send(text),
    },
  });
  cleanups.push(() => echo.stop(true));
  const port = echo.port ?? 0;
  return {
    backend: { id, host: "127.0.0.1", port, readyUrl: `http://127.0.0.1:${port}/readyz` },
    ready(is: boolean) {
      ready = is;
    },
    stop: () => echo.stop(true),
  };
}

function balancer(...backends: ReturnType<typeof backend>[]): Balancer {
  const started = startBalancer({ checkEveryMs: 20, waitMs: patience(1000) });
  for (const { backend: one } of backends) started.add(one);
  cleanups.push(() => started.stop());
  return started;
}

interface Client {
  readonly name: string;
  readonly socket: WebSocket;
  readonly closed: Promise<void>;
}

function connect({ port }: Balancer): Promise<Client> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  const closed = new Promise<void>((resolve) => {
    socket.onclose = () => resolve();
  });
  return new Promise((resolve, reject) => {
    socket.onmessage = ({ data }) => resolve({ name: String(data), socket, closed });
    socket.onerror = () => reject(new Error("refused"));
  });
}

const settle = (condition: () => boolean): Promise<void> =>
  new Promise((resolve, reject) => {
    const deadlineMs = performance.now() + patience(5000);
    const look = (): void => {
      if (condition()) resolve();
      else if (performance.now() > deadlineMs) reject(new Error("did not happen"));
      else setTimeout(look, 5);
    };
    look();
  });

test("newcomers go to the ready backend with the fewest connections", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const front = balancer(a, b);
  await front.whenReady("a", patience(2000));
  await front.whenReady("b", patience(2000));
  const names: string[] = [];
  for (let i = 0; i < 6; i++) names.push((await connect(front)).name);
  expect(names.sort().join("")).toBe("aaabbb");
  a.ready(false);
  await settle(() => front.backends().find(({ id }) => id === "a")?.ready === false);
  for (let i = 0; i < 3; i++) expect((await connect(front)).name).toBe("b");
  expect(front.backends()).toEqual([
    { id: "a", ready: false, connections: 3 },
    { id: "b", ready: true, connections: 6 },
  ]);
});

test("newcomers go to the highest rank that has a ready backend, however many it has", async () => {
  const [old, fresh] = [backend("old"), backend("fresh")];
  const front = balancer(old);
  front.add({ ...fresh.backend, rank: 1 });
  await front.whenReady("old", patience(2000));
  await front.whenReady("fresh", patience(2000));
  for (let i = 0; i < 3; i++) expect((await connect(front)).name).toBe("fresh");
  fresh.ready(false);
  await settle(() => front.backends().find(({ id }) => id === "fresh")?.ready === false);
  expect((await connect(front)).name).toBe("old");
});

test("connections stay when their backend is no longer ready, and end with it", async () => {
  const a = backend("a");
  const front = balancer(a);
  const client = await connect(front);
  a.ready(false);
  await settle(() => front.backends()[0]?.ready === false);
  const echoed = new Promise((resolve) => {
    client.socket.onmessage = ({ data }) => resolve(data);
  });
  client.socket.send("still here");
  expect(await echoed).toBe("still here");
  a.stop();
  await client.closed;
  await settle(() => front.backends()[0]?.connections === 0);
});

test("a newcomer waits a little for a ready backend, and is refused when none comes", async () => {
  const a = backend("a");
  a.ready(false);
  const front = balancer(a);
  const waiting = connect(front);
  setTimeout(() => a.ready(true), 200);
  expect((await waiting).name).toBe("a");
  const nobody = balancer();
  await expect(connect(nobody)).rejects.toThrow("refused");
});

test("many megabytes pass unchanged through a slow reader's side", async () => {
  const a = backend("a");
  const front = balancer(a);
  const client = await connect(front);
  const sizes = Array.from({ length: 40 }, (_, i) => 100_000 + i);
  const received: number[] = [];
  client.socket.onmessage = ({ data }) => received.push(String(data).length);
  for (const size of sizes) client.socket.send("x".repeat(size));
  await settle(() => received.length === sizes.length);
  expect(received).toEqual(sizes);
});

test("cut ends connections without a word", async () => {
  const a = backend("a");
  const front = balancer(a);
  const client = await connect(front);
  front.cut("a");
  await client.closed;
  await settle(() => front.backends()[0]?.connections === 0);
});
