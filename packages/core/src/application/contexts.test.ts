// Owns: what handlers and hooks can do to the node, on whose account, and where that ends.
import { expect, test } from "bun:test";
import {
  ContextError,
  type ContractDefinition,
  defineContract,
  type ServerContext,
  UnavailableError,
} from "@holdfast/contract";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";
import { z } from "zod";
import type { Broker } from "../ports.ts";
import { HELD_BYTES_MAX } from "../session/held-bytes.ts";

const Line = z.object({ text: z.string().max(20) });
const channels = {
  "room:{name}": { payload: Line, presence: true },
  "state:{name}": { class: "latest" },
  "open:{name}": {},
} as const;

type Act = (context: ServerContext) => unknown;

/** A node whose RPC `act` runs what the test says, with the context that handlers get. */
async function start(contract: object = {}, options: object = {}) {
  let act: Act = () => undefined;
  let failed: ContextError | undefined;
  const node = await createEngineHarness({
    contract: {
      channels,
      rpc: {
        act: {
          allow: "anyone",
          handler: async (_input: unknown, context: ServerContext) => {
            try {
              return await act(context);
            } catch (error) {
              failed = error as ContextError;
              return "failed";
            }
          },
        },
      },
      ...contract,
    } as never,
    settings: TEST_SETTINGS,
    tokens: { ada: { user: "ada" }, bob: { user: "bob" } },
    anonymous: true,
    ...options,
  });
  let id = 100;
  return {
    ...node,
    failure: () => failed,
    /** What the code answered, as `client` sees it. */
    async run(client: HandClient, code: Act): Promise<unknown> {
      act = code;
      id += 1;
      await client.send({ t: "rpc", id, m: "act" });
      for (let turn = 0; turn < 100; turn++) {
        await node.settle();
        const frames = await client.take();
        const answer = frames.find((frame) => "id" in frame && frame.id === id);
        if (answer !== undefined) return answer.t === "ok" ? answer.data : answer;
      }
      return "no answer";
    },
  };
}

/** The broker with some members of its own replaced. */
function changed(broker: Broker, members: object): Broker {
  return new Proxy(broker, {
    get(target, name) {
      const found: unknown = Reflect.get(name in members ? members : target, name);
      return typeof found === "function" ? found.bind(target) : found;
    },
  });
}

test("a handler publishes, and a subscriber gets it with the author that it names", async () => {
  const { connect, run } = await start();
  const [caller, reader] = [await connect(), await connect()];
  await reader.send({ t: "subscribe", id: 2, ch: "room:a" });
  await reader.take();
  const answer = await run(caller, ({ publish }) =>
    publish("room:a", { text: "closed" }, { user: "desk" }),
  );
  expect(answer).toMatchObject({ offset: 1, duplicate: false });
  expect(await reader.take()).toMatchObject([
    { t: "pub", ch: "room:a", o: 1, data: { text: "closed" }, u: "desk" },
  ]);
});

test("the same idempotency key publishes once", async () => {
  const { connect, run } = await start();
  const caller = await connect();
  const twice: Act = async ({ publish }) => {
    const once = await publish("room:a", { text: "x" }, { idempotencyKey: "k" });
    return [once, await publish("room:a", { text: "x" }, { idempotencyKey: "k" })];
  };
  expect(await run(caller, twice)).toMatchObject([
    { offset: 1, duplicate: false },
    { offset: 1, duplicate: true },
  ]);
});

test("a handler reads history page by page, and who is present", async () => {
  const { connect, run } = await start();
  const caller = await connect();
  const member = await connect({ token: "ada" });
  await member.send({ t: "enter", id: 2, ch: "room:a", data: { name: "Ada" } } as never);
  for (const text of ["one", "two", "three"])
    await run(caller, ({ publish }) => publish("room:a", { text }));
  const newest = await run(caller, ({ history }) => history("room:a", { limit: 2 }));
  expect(newest).toMatchObject({
    head: 3,
    more: true,
    publications: [
      { offset: 2, data: { text: "two" } },
      { offset: 3, data: { text: "three" } },
    ],
  });
  const older = await run(caller, ({ history }) => history("room:a", { before: 2 }));
  expect(older).toMatchObject({ more: false, publications: [{ offset: 1 }] });
  expect(await run(caller, ({ presence }) => presence("room:a"))).toMatchObject([
    { user: "ada", data: { name: "Ada" } },
  ]);
});

test("a handler ends subscriptions and sessions of a user", async () => {
  const { connect, run, settle } = await start();
  const [caller, ada] = [await connect(), await connect({ token: "ada" })];
  await ada.send({ t: "subscribe", id: 2, ch: "room:a" });
  await ada.take();
  await run(caller, ({ unsubscribe }) => unsubscribe({ user: "ada", channel: "room:a" }));
  await settle();
  expect(await ada.take()).toMatchObject([{ t: "unsubscribed", ch: "room:a" }]);
  await run(caller, ({ disconnect }) => disconnect({ user: "ada", reconnect: false }));
  await settle();
  expect(await ada.take()).toMatchObject([{ t: "goodbye", name: "banned" }]);
});

test.each([
  ["of an undeclared channel", "nowhere", { text: "x" }, {}, "channel_unknown"],
  ["of data that the schema refuses", "room:a", { text: 1 }, {}, "payload_invalid"],
  ["of data that nobody could read", "open:a", { at: new Date(0) }, {}, "payload_invalid"],
  ["of no data", "open:a", undefined, {}, "payload_invalid"],
  ["to a latest channel without a key", "state:a", 1, {}, "key_required"],
  ["of more bytes than the limit", "open:a", "x".repeat(1e6), {}, "payload_too_large"],
] as const)("a publish %s rejects with its code", async (_what, channel, data, options, code) => {
  const { connect, run, failure, bugs } = await start();
  const caller = await connect();
  await run(caller, ({ publish }) => publish(channel, data, options));
  expect(failure()).toMatchObject({ name: "ContextError", code });
  expect(failure()?.message).not.toBe("");
  expect(bugs).toEqual([]);
});

test("hooks get a context too, and what they publish is seen by onPublish without a session", async () => {
  const seen: string[] = [];
  const { connect, settle, engine } = await start({
    hooks: {
      onConnect: async ({ user }: { user?: string }, { publish }: ServerContext) => {
        await publish("room:log", { text: `${user} came` });
      },
      onPublish: (session: unknown, { data }: { data: { text: string } }) => {
        seen.push(`${session === undefined ? "server" : "client"} ${data.text}`);
      },
      onDisconnect: async (
        { user }: { user?: string },
        why: string,
        { publish }: ServerContext,
      ) => {
        await publish("room:log", { text: `${user} ${why}` });
      },
    },
  });
  const ada = await connect({ token: "ada" });
  await ada.send({ t: "publish", id: 2, ch: "room:a", data: { text: "hi" } });
  await ada.send({ t: "bye" } as never);
  await settle();
  const page = await engine.history("room:log", { limit: 10, bytesMax: 1e6 });
  const texts = page.ok ? page.value.publications.map(({ payload }) => payload) : [];
  expect(texts).toEqual([
    { kind: "json", text: '{"text":"ada came"}' },
    { kind: "json", text: '{"text":"ada left"}' },
  ]);
  expect(seen).toEqual(["server ada came", "client hi", "server ada left"]);
});

test("what is away now is not refused for good: handlers and hooks say when to come again", async () => {
  const lines: unknown[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (...line: unknown[]) => lines.push(line) };
  const away = () => {
    throw new UnavailableError("database at db:5432 refuses", { retryMs: 2500 });
  };
  let isAway = true;
  const node = await createEngineHarness({
    contract: {
      channels,
      rpc: {
        read: { allow: "anyone", handler: away },
        full: {
          allow: "anyone",
          handler: () => {
            throw new ContextError("broker_full", "no room", { retryMs: 1000 });
          },
        },
      },
      hooks: {
        onConnect: async ({ user }) => (user === "bob" && isAway ? away() : undefined),
        onSubscribe: async () => away(),
        onPublish: async () => away(),
      },
    } as ContractDefinition,
    settings: TEST_SETTINGS,
    tokens: { bob: { user: "bob" } },
    anonymous: true,
    application: { log, dependencies: undefined },
  });
  const client = await node.connect();
  await client.send({ t: "rpc", id: 2, m: "read" });
  await client.send({ t: "rpc", id: 3, m: "full" });
  await client.send({ t: "subscribe", id: 4, ch: "open:a" });
  await client.send({ t: "publish", id: 5, ch: "open:a", data: 1 });
  await node.settle();
  expect(await client.take()).toMatchObject([
    { t: "err", id: 2, name: "request_failed", retryMs: 2500 },
    { t: "err", id: 3, name: "request_failed", retryMs: 1000 },
    { t: "err", id: 4, name: "request_failed", retryMs: 2500 },
    { t: "err", id: 5, name: "request_failed", retryMs: 2500 },
  ]);
  const bob = node.open();
  await bob.send({ t: "connect", id: 1, token: "bob" } as never);
  await node.settle();
  expect(await bob.take()).toMatchObject([{ t: "goodbye", name: "try_later", retryMs: 2500 }]);
  isAway = false;
  expect((await node.connect({ token: "bob" })).connection.identity.user).toBe("bob");
  expect(lines).toHaveLength(5);
  expect(node.bugs).toEqual([]);
});

test("code that calls itself ends, with an error in its own hands", async () => {
  let depth = 0;
  const errors: unknown[] = [];
  const { connect, run } = await start({
    hooks: {
      onPublish: async (_session: unknown, _publication: unknown, { publish }: ServerContext) => {
        depth += 1;
        await publish("open:a", depth).catch((error: ContextError) => errors.push(error.code));
      },
    },
  });
  await run(await connect(), ({ publish }) => publish("open:a", 0));
  expect(depth).toBe(8);
  expect(errors).toEqual(["request_failed"]);
});

test("an RPC calls another one, for the application", async () => {
  const { connect, run, failure } = await start({});
  const caller = await connect({ token: "ada" });
  await run(caller, ({ rpc }) => rpc("nothing"));
  expect(failure()).toMatchObject({ code: "rpc_unknown" });
});

test("what one user's calls have under way takes half of the room, and others find some", async () => {
  const { connect, run, failure, settle, observed } = await start(
    {},
    {
      // The broker takes publishes and says nothing more.
      wrapBroker: (broker: Broker) => changed(broker, { publish: () => new Promise(() => {}) }),
    },
  );
  const [ada, bob] = [await connect({ token: "ada" }), await connect({ token: "bob" })];
  const big = "x".repeat(TEST_SETTINGS.limits.dataBytesMax - 2);
  const refusals: unknown[] = [];
  const flood: Act = ({ publish }) => {
    for (let n = 0; n * big.length < HELD_BYTES_MAX; n++)
      publish("open:a", big).catch((error: ContextError) => refusals.push(error));
  };
  await run(ada, flood);
  await settle();
  const half = Math.floor(HELD_BYTES_MAX / 2 / big.length);
  const asked = Math.ceil(HELD_BYTES_MAX / big.length);
  expect(refusals.length).toBeGreaterThanOrEqual(asked - half - 1);
  expect(refusals[0]).toMatchObject({ code: "rate_limited", retryMs: 1000 });
  expect(observed.filter((line) => line.startsWith("overShare held")).length).toBe(refusals.length);
  let began = 0;
  await run(bob, ({ publish }) => {
    void publish("open:a", big).catch(() => {});
    began += 1;
  });
  expect([began, failure()]).toEqual([1, undefined]);
  expect(await run(bob, () => "still here")).toBe("still here");
});

test("what a handler publishes is kept on the account of who called it", async () => {
  const kept = { keptBytesPerUserMax: 4096 };
  const settings = { ...TEST_SETTINGS, limits: { ...TEST_SETTINGS.limits, ...kept } };
  const wrapBroker = (broker: Broker) => changed(broker, { sharesRoom: false });
  const { connect, run, failure } = await start({}, { settings, wrapBroker });
  const [ada, bob] = [await connect({ token: "ada" }), await connect({ token: "bob" })];
  const fill: Act = async ({ publish }) => {
    for (let n = 0; n < 100; n++) await publish("open:a", "x".repeat(100));
  };
  await run(ada, fill);
  expect(failure()).toMatchObject({ code: "rate_limited" });
  expect(await run(bob, ({ publish }) => publish("open:b", 1))).toMatchObject({ offset: 1 });
});

test("handlers get the application's dependencies and its log", async () => {
  const lines: unknown[] = [];
  const line = (level: string) => (text: string, fields?: object) =>
    lines.push([level, text, fields]);
  const log = {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
  };
  const application = { log, dependencies: { rows: ["a"] } };
  const { connect, run } = await start({}, { application });
  const answer = await run(await connect(), ({ dependencies, log: said }) => {
    said.info("asked", { by: "test" });
    return dependencies;
  });
  expect(answer).toEqual({ rows: ["a"] });
  expect(lines).toEqual([["info", "asked", { by: "test" }]]);
});

test("middleware runs around every handler, outermost first, and may answer for it", async () => {
  const order: string[] = [];
  const contract = defineContract({
    channels: {},
    rpc: {
      sum: {
        input: z.object({ a: z.number(), b: z.number() }),
        output: z.number(),
        allow: "anyone",
        handler: ({ a, b }) => {
          order.push("handler");
          return a + b;
        },
      },
    },
    middleware: [
      async ({ method, input }, next) => {
        order.push(`outer ${method} ${JSON.stringify(input)}`);
        const answer = await next();
        order.push("outer after");
        return answer;
      },
      ({ input }, next) => ((input as { a: number }).a < 0 ? 0 : next()),
    ],
  });
  const { connect } = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const client = await connect();
  await client.send({ t: "rpc", id: 2, m: "sum", data: { a: 1, b: 2 } });
  expect(await client.take()).toEqual([{ t: "ok", id: 2, data: 3 }]);
  expect(order).toEqual(['outer sum {"a":1,"b":2}', "handler", "outer after"]);
  await client.send({ t: "rpc", id: 3, m: "sum", data: { a: -1, b: 2 } });
  expect(await client.take()).toEqual([{ t: "ok", id: 3, data: 0 }]);
  expect(order.filter((step) => step === "handler")).toHaveLength(1);
});

test("middleware that calls next twice fails the call, and the handler ran once", async () => {
  let ran = 0;
  const contract = defineContract({
    channels: {},
    rpc: {
      count: {
        allow: "anyone",
        handler: () => {
          ran += 1;
          return ran;
        },
      },
    },
    middleware: [
      async (_call, next) => {
        await next();
        return next();
      },
    ],
  });
  const { connect } = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const client = await connect();
  await client.send({ t: "rpc", id: 2, m: "count" });
  expect(await client.take()).toMatchObject([{ t: "err", id: 2, name: "rpc_failed" }]);
  expect(ran).toBe(1);
});
