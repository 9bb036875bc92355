// HoldfastSocket before one gateway, before several, and before servers that know nothing of it.
import { expect, setDefaultTimeout, test } from "bun:test";
import { HoldfastSocket, type HoldfastSocketOptions } from "@holdfast/client/socket";
import { HELD_LIMITS, none, replay, stateless } from "@holdfast/rehoming";
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

test("a gateway that cuts its clients: they are closed, or back at another one with what was sent meanwhile", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const [old, fresh] = [gateway([a]), gateway([b])];
  const { place, options, url } = balanced(old.one.port);
  const plain = connect(url, [], options);
  const back = connect(url, [], { ...options, reconnect: true });
  await until("open", () => [plain, back].every(isOpen));
  // What the application says first when it is back goes before what waits.
  back.socket.addEventListener("reconnect", () => back.socket.send("login"));
  place.port = fresh.one.port;
  old.one.end();
  await until("lost", () => plain.socket.readyState === 3);
  expect(plain.events).toEqual(["open", "close 1001 Server closed true"]);
  const buffer = Uint8Array.of(1, 2);
  back.socket.send(buffer);
  back.socket.send("ä");
  expect([back.socket.readyState, back.socket.bufferedAmount]).toEqual([1, 4]);
  buffer[0] = 9;
  await until("answers", () => back.got.length === 3);
  expect(back.got).toEqual(["re:login@b", Uint8Array.of(1, 2).buffer, "re:ä@b"]);
  expect([back.events, back.socket.bufferedAmount]).toEqual([["open", "reconnect"], 0]);
});

test("what waits is limited, and so are the tries: then it is closed, once", async () => {
  const a = backend("a");
  const { one } = gateway([a]);
  const { place, options, url } = balanced(one.port);
  const reconnect = { attemptsMax: 2 };
  const full = connect(url, [], { ...options, reconnect, bufferBytesMax: 100 });
  const lone = connect(url, [], { ...options, reconnect });
  const leaver = connect(url, [], { ...options, reconnect: true });
  await until("open", () => [full, lone, leaver].every(isOpen));
  place.port = 1;
  one.end();
  await Bun.sleep(100);
  full.socket.send("x".repeat(60));
  full.socket.send("y".repeat(60));
  expect([full.socket.readyState, full.events.at(-1)]).toEqual([
    3,
    "close 1013 Too much waits for a server false",
  ]);
  leaver.socket.close(1000);
  expect(leaver.events).toEqual(["open", "error", "close 1006  false"]);
  await until("given up", () => lone.socket.readyState === 3);
  expect(lone.events).toEqual(["open", "close 1001 Server closed true"]);
});

test("a client of which too much is remembered is not moved, but closed with 1012", async () => {
  const a = backend("a");
  const profile = replay({ remember: [{ match: { prefix: "SUB" } }] });
  const limits = { ...HELD_LIMITS, waitingBytesMax: 1 << 20 };
  const small = { messageBytesMax: 40_000, limits };
  const [old, fresh] = [gateway([a], profile, {}, small), gateway([a], profile, {}, small)];
  const { place, options, url } = balanced(old.one.port);
  const [much, little] = [connect(url, [], options), connect(url, [], options)];
  await until("open", () => [much, little].every(isOpen));
  place.port = fresh.one.port;
  for (const client of [much, much, little]) client.socket.send(`SUB ${"x".repeat(30_000)}`);
  await until("answers", () => a.received.length === 3);
  await goodbye(old.one.clients());
  await until("one is closed", () => much.socket.readyState === 3);
  expect(much.events.at(-1)).toStartWith("close 1012");
  await until("one has moved", () => a.received.length === 4);
  expect([little.events, fresh.one.clients().length]).toEqual([["open", "move"], 1]);
});

test("with a key servers know the client again, and nobody else can say that it is one", async () => {
  const [a, b] = [backend("a"), backend("b")];
  const keys = { socketKeys: ["a".repeat(32)] };
  const [old, fresh] = [gateway([a], stateless, {}, keys), gateway([b], stateless, {}, keys)];
  const { place, options, url } = balanced(old.one.port);
  const client = connect(url, [], options);
  await until("open", () => isOpen(client));
  place.port = fresh.one.port;
  await goodbye(old.one.clients());
  await until("moved", () => client.events.includes("move"));
  const facts = ({ headers }: typeof a) =>
    ["holdfast-session", "holdfast-attempt"].map((name) => headers.at(-1)?.get(name));
  expect(facts(b)).toEqual([facts(a)[0], "1"]);
  // Another move: attempts are counted on.
  const last = gateway([a], stateless, {}, keys);
  place.port = last.one.port;
  await goodbye(fresh.one.clients());
  await until("moved again", () => client.events.length === 3);
  expect(facts(a)).toEqual([facts(b)[0], "2"]);
  // A stranger writes a ticket, and a state.
  const forged = Buffer.from(
    JSON.stringify({ kind: "ticket", session: facts(a)[0], attempt: 5, untilMs: 1e15 }),
  ).toString("base64url");
  const name = `holdfast.socket.v1.move+0123456789abcdef.${forged}`;
  const stranger = new WebSocket(`ws://127.0.0.1:${last.one.port}/ws/room`, name);
  const codes: number[] = [];
  stranger.onclose = ({ code }) => codes.push(code);
  const packed = { profile: "stateless", session: facts(a)[0], isWhole: true, frames: [] };
  const text = Buffer.from(JSON.stringify({ ...packed, kind: "state" })).toString("base64url");
  stranger.onopen = () =>
    stranger.send(`${name} ${JSON.stringify({ type: "state", state: text })}`);
  await until("closed", () => codes.length > 0);
  expect([codes, facts(a)[1]]).toEqual([[1002], "0"]);
  expect(facts(a)[0]).not.toBe(facts(b)[0]);
});

test("a client of an application that hands over moves with a key only", async () => {
  const profile = { ...stateless, isPrivate: true };
  const keys = { socketKeys: ["a".repeat(32)] };
  for (const [more, end] of [
    [{}, "close 1012 The gateway restarts true"],
    [keys, "move"],
  ] as const) {
    const [a, b] = [backend("a"), backend("b")];
    const [old, fresh] = [gateway([a], profile, {}, more), gateway([b], profile, {}, more)];
    const { place, options, url } = balanced(old.one.port);
    const client = connect(url, [], options);
    await until("open", () => isOpen(client));
    place.port = fresh.one.port;
    await goodbye(old.one.clients());
    await until("an end", () => client.events.length > 1);
    expect(client.events).toEqual(["open", end]);
    // Whoever has no ticket does not even reach a server.
    const seen = b.headers.length;
    const stranger = new WebSocket(
      `ws://127.0.0.1:${fresh.one.port}/ws/room`,
      "holdfast.socket.v1.move+0123456789abcdef",
    );
    await new Promise((done) => {
      stranger.onclose = done;
    });
    expect(b.headers.length).toBe(seen);
  }
});

test("a stranger who speaks the protocol wrongly is closed with 1002, and harms nobody", async () => {
  const a = backend("a");
  const { one, endpoints, dropped, taken } = gateway([a]);
  const url = `ws://127.0.0.1:${one.port}/ws/room`;
  const [fresh, move] = ["", ".move"].map((how) => `holdfast.socket.v1${how}+0123456789abcdef`);
  const say = async (offer = "", message: string | Uint8Array = "") => {
    const socket = new WebSocket(url, offer);
    const codes: number[] = [];
    socket.onclose = ({ code }) => codes.push(code);
    socket.onopen = () => socket.send(message as string);
    await until(`closed after ${message.slice(0, 60)}`, () => codes.length > 0);
    return codes[0];
  };
  const stateOf = (value: unknown) => `${move} ${JSON.stringify({ type: "state", state: value })}`;
  const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64");
  expect(await say(fresh, `${fresh} {"type":"leave"}`)).toBe(1002);
  for (const message of [
    ...["hello", `${move} {"type":"leave"}`, `${move} {`, `${move} null`, Uint8Array.of(1)],
    ...[stateOf(1), stateOf("%"), stateOf(encoded(null)), stateOf(encoded({}))],
    stateOf(encoded({ kind: "state", session: "s", profile: "none", isWhole: true, frames: [] })),
    stateOf(
      encoded({ kind: "state", session: "s", profile: "stateless", isWhole: true, frames: [1] }),
    ),
    stateOf(
      encoded({
        kind: "state",
        session: "s",
        profile: "stateless",
        isWhole: true,
        frames: [{ b: 1 }],
      }),
    ),
    `${fresh} {"type":"state","state":"${encoded({ kind: "state", session: "s", profile: "stateless", isWhole: true, frames: [] })}"}`,
  ])
    expect([message, await say(move, message)]).toEqual([message, 1002]);
  // Words that mean nothing now are not the application's, and change nothing.
  const calm = await new Promise<string>((done) => {
    const socket = new WebSocket(url, fresh);
    opened.push({ stop: () => socket.close() });
    socket.onopen = () => {
      for (const type of ["opened", "wait", "state", "later", 1])
        socket.send(`${fresh} ${JSON.stringify({ type })}`);
      socket.send(`${fresh} {`);
      socket.send("hi");
    };
    socket.onmessage = ({ data }) => String(data).startsWith("re:") && done(String(data));
  });
  expect([calm, a.received]).toEqual(["re:hi@a", ["hi"]]);
  await until("sockets are closed", () => endpoints.connections(a.address) === 1);
  expect([dropped, taken(), one.clientCount]).toEqual([[], 0, 1]);
  expect(a.headers.every((headers) => headers.get("sec-websocket-protocol") === null)).toBe(true);
});
