// HoldfastSocket before one gateway, before several, and before servers that know nothing of it.
import { expect, setDefaultTimeout, test } from "bun:test";
import { HoldfastSocket, type HoldfastSocketOptions } from "@holdfast/client/socket";
import { none, stateless } from "@holdfast/rehoming";
import { patience } from "../../../../test/patience.ts";
import { sayGoodbye } from "./goodbyes.ts";
import { backend, gateway, opened, until } from "./testing/setting.ts";

setDefaultTimeout(patience(20_000));

interface Client {
  readonly socket: WebSocket;
  readonly got: unknown[];
  readonly events: string[];
}
function connect(
  url: string,
  protocols: string[] = [],
  options: HoldfastSocketOptions = {},
): Client {
  const Socket = HoldfastSocket.with(options);
  const socket = new Socket(url, protocols);
  const client: Client = { socket, got: [], events: [] };
  opened.push({ stop: () => socket.close() });
  socket.binaryType = "arraybuffer";
  socket.onmessage = ({ data }) => client.got.push(data);
  for (const type of ["open", "error", "move", "reconnect"])
    socket.addEventListener(type, () => client.events.push(type));
  socket.onclose = ({ code, reason, wasClean }) =>
    client.events.push(`close ${code} ${reason} ${wasClean}`);
  return client;
}
const isOpen = ({ socket }: Client) => socket.readyState === WebSocket.OPEN;

/** The same address, whose connections go to the port of the moment, as behind a balancer. */
function balanced(first: number) {
  const place = { port: first };
  class Switched extends WebSocket {
    constructor(url: string | URL, protocols?: string[]) {
      const target = new URL(url);
      target.port = String(place.port);
      super(target, protocols);
    }
  }
  return { place, options: { WebSocket: Switched }, url: "ws://127.0.0.1:1/ws/room?x=1" };
}
const goodbye = (clients: Parameters<typeof sayGoodbye>[0], moveMsMax = 10_000) =>
  sayGoodbye(
    clients,
    {
      ...{ windowMs: 20_000, handshakesPerSecond: 1000, perSecondMax: 1000, moveMsMax },
      ...{ code: 1012, reason: "The gateway restarts" },
    },
    new AbortController().signal,
  );

test("before a gateway it is a WebSocket, and the application never sees what it offers", async () => {
  const a = backend("a");
  const { one } = gateway([a]);
  const url = `ws://127.0.0.1:${one.port}/ws/room`;
  const client = connect(url);
  expect(client.socket.readyState).toBe(0);
  expect(() => client.socket.send("early")).toThrow("not open");
  await until("open", () => isOpen(client));
  client.socket.send("hello");
  client.socket.send(Uint8Array.of(1, 2, 3));
  await until("answers", () => client.got.length === 2);
  expect(client.got).toEqual(["re:hello@a", Uint8Array.of(1, 2, 3).buffer]);
  expect([client.socket.protocol, client.socket.url]).toEqual(["", url]);
  expect(client.socket instanceof EventTarget).toBe(true);
  const other = connect(`${url}?p=v2`, ["v1", "v2"]);
  await until("open", () => isOpen(other));
  expect(other.socket.protocol).toBe("v2");
  other.socket.send("close me");
  await until("closed", () => other.socket.readyState === 3);
  expect(other.events).toEqual(["open", "close 4007 as you wish true"]);
  expect(a.headers.map((headers) => headers.get("sec-websocket-protocol"))).toEqual([
    null,
    "v1,v2",
  ]);
  client.socket.close(4001, "bye");
  await until("closed", () => a.closes === 2);
  await until("told", () => client.events.includes("close 4001 bye true"));
});

test("before a server that does not know it, and before one that refuses what it offers", async () => {
  const offers: (string | null)[] = [];
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch(request, self) {
      const offer = request.headers.get("sec-websocket-protocol");
      offers.push(offer);
      if (offer !== null && new URL(request.url).pathname === "/strict")
        return new Response("no such subprotocol", { status: 400 });
      return self.upgrade(request) ? undefined : new Response();
    },
    websocket: { message: (socket, frame) => void socket.send(`re:${frame}`) },
  });
  opened.push({ stop: () => void server.stop(true) });
  for (const path of ["/easy", "/strict", "/strict"]) {
    const client = connect(`ws://127.0.0.1:${server.port}${path}`);
    await until("open", () => isOpen(client));
    client.socket.send("x");
    await until("an answer", () => client.got.length === 1);
    expect([client.got, client.socket.protocol, client.events]).toEqual([["re:x"], "", ["open"]]);
  }
  // The third did not ask again.
  expect(offers.map((offer) => offer?.startsWith("holdfast.socket.v1+"))).toEqual([
    ...[true, true, undefined, undefined],
  ]);
});

test("G6: a gateway that ends hands its clients over while they talk, and nobody is closed", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const [old, fresh] = [gateway([a]), gateway([b])];
  const { place, options, url } = balanced(old.one.port);
  const clients = Array.from({ length: 20 }, () => connect(url, [], options));
  await until("all open", () => clients.every(isOpen));
  place.port = fresh.one.port;
  let sent = 0;
  const talking = setInterval(() => {
    for (const { socket } of clients) socket.send(`${sent}`);
    sent += 1;
  }, 5);
  await goodbye(old.one.clients());
  await until("all moved", () => fresh.one.clients().length === 20);
  await Bun.sleep(100);
  clearInterval(talking);
  await until("answers", () => clients.every(({ got }) => got.length === sent));
  const expected = Array.from({ length: sent }, (_, i) => `re:${i}`);
  for (const { got, events } of clients) {
    expect(got.map((text) => String(text).split("@")[0])).toEqual(expected);
    expect(got.at(-1)).toBe(`re:${sent - 1}@b`);
    expect(events).toEqual(["open", "move"]);
  }
  await until("the old one is empty", () => old.one.clientCount === 0);
  expect([old.dropped, fresh.dropped, a.received.length + b.received.length]).toEqual([
    [],
    [],
    20 * sent,
  ]);
});

test("G6: a client whose profile does not move is closed with 1012, and so is one that finds nobody", async () => {
  const a = backend("a");
  const [plain, lone] = [gateway([a], none), gateway([a], stateless)];
  for (const { one } of [plain, lone]) {
    const { place, options, url } = balanced(one.port);
    const client = connect(url, [], options);
    await until("open", () => isOpen(client));
    place.port = 1;
    await goodbye(one.clients(), 300);
    client.socket.send("still here");
    await until("closed", () => client.socket.readyState === 3);
    expect(client.events).toEqual(["open", "close 1012 The gateway restarts true"]);
  }
  expect(a.received).toEqual(["still here"]);
});
