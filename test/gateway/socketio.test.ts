// Real clients and real servers of Socket.IO, behind a real gateway: every event that wants an
// answer gets one or an error, whatever happens to the servers.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { type SocketIoRules, socketioProfile } from "@holdfast/rehoming";
import { sleep } from "bun";
import { io, type ManagerOptions, type Socket, type SocketOptions } from "socket.io-client";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { type GatewayBed, gatewayBed, type Program, startProgram, until } from "./bed.ts";

setDefaultTimeout(patience(30_000));

const started: { stop(): void }[] = [];
afterEach(() => {
  for (const one of started.splice(0).reverse()) one.stop();
});
async function server(env: Record<string, string> = {}): Promise<Program> {
  const one = await startProgram(["node", `${import.meta.dir}/socketio-server.mjs`], env);
  started.push({ stop: () => void one.kill() });
  return one;
}
function bed(
  rules: SocketIoRules,
  ...programs: readonly { readonly address: string }[]
): GatewayBed {
  const one = gatewayBed(socketioProfile(rules), ...programs.map(({ address }) => address));
  started.push({ stop: () => one[Symbol.dispose]() });
  return one;
}

interface Client {
  readonly socket: Socket;
  readonly connects: (string | undefined)[];
  readonly disconnects: string[];
  readonly refusals: string[];
}
function client(
  { port }: GatewayBed,
  {
    namespace = "/",
    ...options
  }: Partial<ManagerOptions & SocketOptions> & { namespace?: string } = {},
): Client {
  const socket = io(`http://127.0.0.1:${port}${namespace}`, {
    ...{ transports: ["websocket"], forceNew: true, reconnectionDelay: 20, auth: { token: "t" } },
    ...options,
  });
  const one: Client = { socket, connects: [], disconnects: [], refusals: [] };
  socket.on("connect", () => one.connects.push(socket.id));
  socket.on("disconnect", (reason) => one.disconnects.push(reason));
  socket.on("connect_error", ({ message }) => one.refusals.push(message));
  started.push({ stop: () => socket.disconnect() });
  return one;
}
const areConnected = (...all: readonly Client[]): Promise<void> =>
  until("all are connected", () => all.every(({ socket }) => socket.connected));

/** Everybody asks all the time; each question is accounted for. */
function asking(all: readonly Client[], value: (i: number) => unknown = (i) => i) {
  let asked = 0;
  const outcomes = { answered: 0, wrong: 0, errors: 0 };
  const timer = setInterval(() => {
    for (const { socket } of all) {
      const one = value(asked++);
      socket
        .timeout(patience(15_000))
        .emitWithAck("echo", one)
        .then(
          (answer) => {
            if (Bun.deepEquals(answer, one)) outcomes.answered += 1;
            else {
              outcomes.wrong += 1;
              console.log(answer, one);
            }
          },
          () => {
            outcomes.errors += 1;
          },
        );
    }
  }, 5);
  return {
    outcomes,
    /** How many there were, once all have an outcome. */
    async stop(): Promise<number> {
      clearInterval(timer);
      await until(
        "all have an outcome",
        () => outcomes.answered + outcomes.wrong + outcomes.errors === asked,
      );
      return asked;
    },
  };
}

test("a drain while clients of two namespaces ask: each gets its answer, and connect again", async () => {
  const a = await server();
  const gateway = bed({}, a);
  const all = [client(gateway), client(gateway, { namespace: "/chat" }), client(gateway)];
  await areConnected(...all);
  const talk = asking(all, (i) =>
    i % 3 === 0 ? [Buffer.from([i % 256, 1]), { more: Buffer.from("x") }] : `text ${i}`,
  );
  await sleep(100);
  const b = await server();
  gateway.takes(b.address);
  gateway.drain(a.address);
  await until("all moved", () => gateway.count(b.address) === 3);
  await sleep(100);
  expect(await talk.stop()).toBe(talk.outcomes.answered);
  expect(all.flatMap(({ disconnects }) => disconnects)).toEqual([]);
  // The new server does not know them: they hear that, with the id that they have there.
  for (const { socket, connects } of all) {
    expect(connects.length).toBe(2);
    const [id] = await new Promise<unknown[]>((done) =>
      socket.emit("who am I", (...is: unknown[]) => done(is)),
    );
    expect(id as string).toBe(socket.id as string);
  }
  expect([gateway.dropped, gateway.failures]).toEqual([0, []]);
});

test("events that may be done twice survive servers that are killed; nobody is disconnected", async () => {
  let now = await server();
  const gateway = bed({ idempotent: true }, now);
  const all = [client(gateway), client(gateway, { namespace: "/chat" })];
  await areConnected(...all);
  const talk = asking(all, (i) => (i % 4 === 0 ? Buffer.from(`${i}`) : i));
  for (let round = 0; round < 3; round++) {
    await sleep(100);
    const next = await server();
    gateway.takes(next.address);
    await now.kill();
    await until("all moved", () => gateway.count(next.address) === 2);
    now = next;
  }
  await sleep(100);
  expect(await talk.stop()).toBe(talk.outcomes.answered);
  expect(all.flatMap(({ disconnects }) => disconnects)).toEqual([]);
});

test("other events get an error if their server dies without an answer: the client is closed", async () => {
  const [a, b] = [await server(), await server()];
  const gateway = bed({}, a);
  const one = client(gateway);
  const idle = client(gateway);
  await areConnected(one, idle);
  gateway.takes(b.address);
  const answer = one.socket.timeout(patience(15_000)).emitWithAck("slow", 60_000);
  await sleep(50);
  await a.kill();
  expect(answer).rejects.toThrow("socket has been disconnected");
  await until("both are on b", () => gateway.count(b.address) === 2);
  await areConnected(one, idle);
  expect([one.disconnects, idle.disconnects]).toEqual([["transport close"], []]);
});

test("or the client's own timeouts run, if the route says so", async () => {
  const [a, b] = [await server(), await server()];
  const gateway = bed({ unanswered: "timeout" }, a);
  const one = client(gateway);
  await areConnected(one);
  gateway.takes(b.address);
  const answer = one.socket.timeout(300).emitWithAck("slow", 60_000);
  await sleep(50);
  await a.kill();
  expect(answer).rejects.toThrow("operation has timed out");
  await until("it is on b", () => gateway.count(b.address) === 1);
  expect(await one.socket.emitWithAck("echo", 1)).toBe(1);
  expect(one.disconnects).toEqual([]);
});

test("a server that ends closes its sockets without a code: its clients move", async () => {
  const [a, b] = [await server(), await server()];
  const gateway = bed({ connectAgain: false }, a);
  const one = client(gateway);
  await areConnected(one);
  gateway.takes(b.address);
  a.child.kill("SIGTERM");
  await until("it is on b", () => gateway.count(b.address) === 1);
  expect(await one.socket.emitWithAck("echo", 1)).toBe(1);
  expect([one.connects.length, one.disconnects]).toEqual([1, []]);
});

test("whom the application disconnects is disconnected", async () => {
  const gateway = bed({}, await server());
  const one = client(gateway);
  await areConnected(one);
  one.socket.emit("kick me");
  await until("disconnected", () => one.disconnects.length > 0);
  expect(one.disconnects).toEqual(["io server disconnect"]);
});

test("answers of clients reach the server that asked, and never another", async () => {
  const [a, b] = [await server(), await server()];
  const gateway = bed({}, a);
  const one = client(gateway);
  const answered: unknown[] = [];
  const later: (() => void)[] = [];
  one.socket.on("question", (value, answer) => later.push(() => answer(`re:${value}`)));
  one.socket.on("answered", (...is) => answered.push(is));
  await areConnected(one);
  one.socket.emit("ask me", "old");
  await until("the question", () => later.length === 1);
  gateway.takes(b.address);
  gateway.drain(a.address);
  await until("it is on b", () => gateway.count(b.address) === 1);
  one.socket.emit("ask me", "new");
  await until("the next question", () => later.length === 2);
  for (const answer of later) answer();
  await until("an answer", () => answered.length > 0);
  expect(await one.socket.emitWithAck("echo", 1)).toBe(1);
  expect(answered).toEqual([["new", "re:new"]]);
});

test("with connection state recovery nothing is missed: rooms, id and events, each once", async () => {
  const port = await freePort();
  const pair = await server({ SECOND_PORT: String(port) });
  const [a, b] = [{ address: pair.address }, { address: `127.0.0.1:${port}` }];
  const gateway = bed({}, a);
  const other = bed({}, b);
  const [one, speaker] = [client(gateway), client(other)];
  await areConnected(one, speaker);
  const said: number[] = [];
  const told: number[] = [];
  one.socket.on("said", (value) => said.push(value));
  one.socket.on("told", (value) => told.push(value));
  one.socket.emit("join", "room");
  let count = 0;
  const timer = setInterval(() => {
    speaker.socket.emit("say", count);
    speaker.socket.emit("tell", "room", count++);
  }, 3);
  await until("it hears", () => told.length > 5);
  const { id } = one.socket;
  for (const [to, from] of [
    [b, a],
    [a, b],
    [b, a],
  ] as const) {
    gateway.takes(to.address);
    gateway.drain(from.address);
    await until("it moved", () => gateway.count(to.address) === 1);
    await sleep(50);
  }
  clearInterval(timer);
  await until("the last event", () => said.at(-1) === count - 1 && told.at(-1) === count - 1);
  const from = (first = 0): number[] => Array.from({ length: count - first }, (_, i) => first + i);
  expect(said).toEqual(from(said[0]));
  expect(told).toEqual(from(told[0]));
  expect([one.connects, one.disconnects]).toEqual([[id], []]);
  const [known, isRecovered, rooms] = await new Promise<unknown[]>((done) =>
    one.socket.emit("who am I", (...is: unknown[]) => done(is)),
  );
  expect([known, isRecovered, (rooms as string[]).sort()]).toEqual([
    id as string,
    true,
    [id as string, "room"].sort(),
  ]);
});

test("servers that refuse a login which was good before close their client, which hears why", async () => {
  const [a, ...others] = [
    await server(),
    await server({ REFUSED: "t" }),
    await server({ REFUSED: "t" }),
  ];
  const gateway = bed({}, a);
  const one = client(gateway);
  await areConnected(one);
  gateway.takes(...others.map(({ address }) => address));
  await a.kill();
  await until("a refusal", () => one.refusals.length > 0);
  expect([one.refusals, one.disconnects]).toEqual([["refused"], ["transport close"]]);
});

test("a client that begins with polling works, upgrades, and is not held: a drain closes it", async () => {
  const [a, b] = [await server(), await server()];
  const gateway = bed({}, a);
  const one = client(gateway, { transports: ["polling", "websocket"] });
  await areConnected(one);
  await until("upgraded", () => one.socket.io.engine.transport.name === "websocket");
  expect(await one.socket.emitWithAck("echo", 1)).toBe(1);
  gateway.takes(b.address);
  gateway.drain(a.address);
  await until("it connected anew", () => one.connects.length === 2);
  expect(await one.socket.emitWithAck("echo", 2)).toBe(2);
  expect(one.disconnects).toEqual(["transport close"]);
});

test("the gateway pings clients and answers servers, by the times that the server told", async () => {
  const gateway = bed({}, await server());
  const one = client(gateway);
  await areConnected(one);
  let pings = 0;
  one.socket.io.on("ping", () => {
    pings += 1;
  });
  await until("pings", () => pings >= 3);
  await sleep(200);
  expect([one.disconnects, one.socket.connected]).toEqual([[], true]);
});
