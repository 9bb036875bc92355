// Real gateway processes behind one address, which end by SIGTERM: pages with a HoldfastSocket go
// to the other one, whatever library they use it through.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldfastSocket } from "@holdfast/client/socket";
import { createClient } from "graphql-ws";
import { io } from "socket.io-client";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { WS as PageWebSocket } from "../../node_modules/engine.io-client/build/esm/transports/websocket.js";
import { buildClient } from "../../tools/build-client.ts";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { startProgram, until } from "./bed.ts";
import { Fleet } from "./fleet.ts";

setDefaultTimeout(patience(60_000));

const started: { stop(): unknown }[] = [];
afterAll(() => {
  for (const one of started.splice(0).reverse()) one.stop();
});

const config = (profile: unknown, address: string) => ({
  drain: { preDelayMs: 500, windowMs: 20_000 },
  routes: [{ name: "app", profile, slowStartMs: 0, service: { static: [address] } }],
});

function fleetOf(configuration: object): Fleet {
  const fleet = new Fleet(configuration);
  started.push(fleet);
  return fleet;
}

/** Open sockets that keep what they got, and count what happened to them. */
async function plainClients(count: number, url: string, protocols: readonly string[] = []) {
  const clients = Array.from({ length: count }, () => {
    const socket = new HoldfastSocket(url, [...protocols]);
    const client = { socket, got: [] as string[], closes: 0, moves: 0 };
    socket.onmessage = ({ data }) => client.got.push(data);
    socket.onclose = () => client.closes++;
    socket.addEventListener("move", () => client.moves++);
    started.push({ stop: () => socket.close() });
    return client;
  });
  await until("all open", () => clients.every(({ socket }) => socket.readyState === 1));
  return clients;
}

/** Answers each message with its own number and the socket's. */
function echo() {
  const sockets: string[][] = [];
  const offers: (string | null)[] = [];
  const server = Bun.serve<{ readonly received: string[] }>({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch: (request, self) => {
      const received: string[] = [];
      offers.push(request.headers.get("sec-websocket-protocol"));
      const headers = { "Sec-WebSocket-Protocol": offers.at(-1) ?? "" };
      if (!self.upgrade(request, { headers, data: { received } })) return new Response();
      sockets.push(received);
      return undefined;
    },
    websocket: {
      message(socket, frame) {
        socket.data.received.push(String(frame));
        socket.send(`re:${frame}`);
      },
    },
  });
  started.push({ stop: () => void server.stop(true) });
  return { address: `127.0.0.1:${server.port}`, sockets, offers };
}

test("G6: two restarts while 20 plain clients talk: each message is answered once, nobody is closed", async () => {
  const app = echo();
  const fleet = fleetOf(config("stateless", app.address));
  let now = await fleet.start();
  const clients = await plainClients(20, fleet.url);
  let sent = 0;
  const talking = setInterval(() => {
    for (const { socket } of clients) socket.send(`${sent}`);
    sent += 1;
  }, 20);
  for (let round = 1; round <= 2; round++) {
    now = await fleet.replace(now);
    await until("all moved", () => clients.every(({ moves }) => moves === round));
    expect(await now.metric('holdfast_gateway_moved_here_total{route="app"}')).toBe(20);
  }
  clearInterval(talking);
  await until("answers", () => clients.every(({ got }) => got.length === sent));
  const expected = Array.from({ length: sent }, (_, i) => `re:${i}`);
  for (const { got, closes } of clients) expect([got, closes]).toEqual([expected, 0]);
  const received = app.sockets.flat().length;
  expect([received, app.sockets.filter(({ length }) => length > 0).length]).toEqual([
    20 * sent,
    60,
  ]);
  expect(await now.metric('holdfast_gateway_clients{route="app"}')).toBe(20);
});

test("G6: three editors over y-websocket write through a restart: documents are equal, nobody is closed", async () => {
  const server = await startProgram(["node", `${import.meta.dir}/y-websocket-server.mjs`]);
  started.push({ stop: () => void server.kill() });
  const fleet = fleetOf(config({ kind: "yjs", dialect: "y-websocket" }, server.address));
  const old = await fleet.start();
  const editors = Array.from({ length: 3 }, () => {
    const doc = new Y.Doc();
    const provider = new WebsocketProvider(fleet.url, "room", doc, {
      disableBc: true,
      WebSocketPolyfill: HoldfastSocket as typeof WebSocket,
    });
    started.push({ stop: () => provider.destroy() });
    const editor = { doc, provider, closes: 0, moves: 0 };
    provider.awareness.setLocalStateField("name", doc.clientID);
    provider.on("connection-close", () => editor.closes++);
    provider.ws?.addEventListener("move", () => editor.moves++);
    return editor;
  });
  const seesAll = () =>
    editors.every(({ provider }) =>
      editors.every(({ doc }) => provider.awareness.getStates().has(doc.clientID)),
    );
  await until("all are there", seesAll);
  let words = 0;
  const typing = setInterval(() => {
    for (const { doc } of editors) doc.getText("t").insert(0, ` w${words++} `);
  }, 20);
  await fleet.replace(old);
  await until("all moved", () => editors.every(({ moves }) => moves === 1));
  clearInterval(typing);
  const expected = Array.from({ length: words }, (_, i) => `w${i}`).sort();
  const wordsOf = ({ doc }: (typeof editors)[number]) =>
    doc.getText("t").toString().split(" ").filter(Boolean).sort();
  await until("all words are there", () => editors.every((one) => wordsOf(one).length === words));
  for (const editor of editors) expect(wordsOf(editor)).toEqual(expected);
  const states = editors.map(({ doc }) => Buffer.from(Y.encodeStateAsUpdate(doc)).toString("hex"));
  expect(new Set(states).size).toBe(1);
  await until("everybody sees everybody", seesAll);
  expect(editors.map(({ closes }) => closes)).toEqual([0, 0, 0]);
});

test("G6: a client on Node, with another WebSocket below and a subprotocol of its own", async () => {
  const app = echo();
  const fleet = fleetOf(config("stateless", app.address));
  const old = await fleet.start();
  const dist = mkdtempSync(join(tmpdir(), "holdfast-dist-"));
  started.push({ stop: () => rmSync(dist, { recursive: true, force: true }) });
  await buildClient(dist);
  const client = Bun.spawn(
    ["node", `${import.meta.dir}/holdfast-socket-client.mjs`, dist, fleet.url],
    { stdout: "pipe", stderr: "inherit" },
  );
  started.push({ stop: () => client.kill() });
  await until("it talks", () => app.sockets.some(({ length }) => length > 5));
  await fleet.replace(old);
  const { got, events, sent, protocol } = await new Response(client.stdout).json();
  expect(events).toEqual(["open", "move", "close 3001 done"]);
  expect(got).toEqual(Array.from({ length: sent }, (_, i) => `re:${i}`));
  expect([protocol, app.offers]).toEqual(["chat", ["chat", "chat"]]);
});

test("G6: an application that hands over counts each message once, through two restarts", async () => {
  const program = await startProgram([process.execPath, `${import.meta.dir}/handoff-bun.ts`]);
  started.push({ stop: () => void program.kill() });
  const keys = ["a key of at least thirty-two characters"];
  const fleet = fleetOf({ ...config("handoff", program.address), sockets: { keys } });
  let now = await fleet.start();
  const clients = await plainClients(10, fleet.url, ["counter.v2"]);
  let sent = 0;
  const talking = setInterval(() => {
    for (const { socket } of clients) socket.send(`m${sent}`);
    sent += 1;
  }, 10);
  for (let round = 1; round <= 2; round++) {
    now = await fleet.replace(now);
    await until("all moved", () => clients.every(({ moves }) => moves === round));
  }
  clearInterval(talking);
  await until("answers", () => clients.every(({ got }) => got.length >= sent));
  const expected = Array.from({ length: sent }, (_, i) => `${i + 1} m${i}`);
  for (const { socket, got, closes } of clients)
    expect([socket.protocol, got, closes]).toEqual(["counter.v2", expected, 0]);
});

test("G6: graphql-ws: a subscription goes on, and each query and mutation is answered once", async () => {
  const server = await startProgram(["node", `${import.meta.dir}/graphql-server.mjs`]);
  started.push({ stop: () => void server.kill() });
  const fleet = fleetOf(config("graphql-transport-ws", server.address));
  const old = await fleet.start();
  let moves = 0;
  class Counted extends HoldfastSocket {
    constructor(url: string | URL, protocols?: string | string[]) {
      super(url, protocols);
      this.addEventListener("move", () => moves++);
    }
  }
  const client = createClient({ url: fleet.url, webSocketImpl: Counted, retryAttempts: 0 });
  started.push({ stop: () => void client.dispose() });
  const closed: unknown[] = [];
  client.on("closed", (event) => closed.push(event));
  const heard: unknown[] = [];
  client.subscribe(
    { query: "subscription { ticks }" },
    {
      next: ({ data }) => heard.push(data?.["ticks"]),
      error: (error) => heard.push(error),
      complete: () => heard.push("complete"),
    },
  );
  const ask = async (query: string) => {
    for await (const { data } of client.iterate<{ answer: number }>({ query })) return data?.answer;
    return undefined;
  };
  await until("events", () => heard.length > 2);
  const asked: Promise<number | undefined>[] = [];
  const expected: number[] = [];
  const asking = setInterval(() => {
    const number = asked.length;
    const field = number % 2 === 0 ? "query { answer: say" : "mutation { answer: do";
    asked.push(ask(`${field}(number: ${number}) }`));
    expected.push(number);
  }, 20);
  await fleet.replace(old);
  await until("it has moved", () => moves === 1);
  clearInterval(asking);
  expect(await Promise.all(asked)).toEqual(expected);
  expect(await ask("query { answer: done }")).toBe(Math.floor(expected.length / 2));
  const { length } = heard;
  await until("more events", () => heard.length > length + 2);
  expect(heard.every((one) => typeof one === "number")).toBe(true);
  expect(closed).toEqual([]);
});

test("G6: socket.io-client over a HoldfastSocket: each event is answered once", async () => {
  const port = await freePort();
  const server = await startProgram(["node", `${import.meta.dir}/socketio-server.mjs`], {
    SECOND_PORT: String(port),
  });
  started.push({ stop: () => void server.kill() });
  const fleet = fleetOf(config("socketio", server.address));
  const old = await fleet.start();
  let moves = 0;
  class Transport extends PageWebSocket {
    override createSocket(uri: string, protocols?: string | string[]): HoldfastSocket {
      const socket = new HoldfastSocket(uri, protocols);
      socket.addEventListener("move", () => moves++);
      return socket;
    }
  }
  const socket = io(fleet.url, { transports: [Transport], reconnection: false });
  started.push({ stop: () => socket.disconnect() });
  const events: string[] = [];
  for (const name of ["connect", "disconnect", "connect_error"])
    socket.on(name, (reason) => events.push(`${name} ${reason ?? ""}`.trim()));
  await until("connected", () => socket.connected);
  const asked: Promise<number>[] = [];
  const asking = setInterval(() => asked.push(socket.emitWithAck("echo", asked.length)), 20);
  socket.emit("join", "room");
  // Sessions are recovered from the last event of the server.
  const said: unknown[] = [];
  socket.on("said", (value) => said.push(value));
  socket.emit("say", "before");
  await until("it is said", () => said.length === 1);
  await fleet.replace(old);
  await until("it has moved", () => moves === 1);
  clearInterval(asking);
  expect(await Promise.all(asked)).toEqual(asked.map((_, i) => i));
  const [, isRecovered, rooms] = await new Promise<[string, boolean, string[]]>((done) =>
    socket.emit("who am I", (...answer: [string, boolean, string[]]) => done(answer)),
  );
  expect([isRecovered, rooms.includes("room"), events]).toEqual([true, true, ["connect"]]);
  expect(said).toEqual(["before"]);
});
