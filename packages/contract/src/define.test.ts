// Owns: checks of what TypeScript infers from a contract; most of them fail at compile time.
import { expect, test } from "bun:test";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  type ContractDefinition,
  defineContract,
  type ParamsOf,
  RejectedError,
  rpc,
} from "./define.ts";
import type {
  ChannelName,
  ClassOf,
  EnterOf,
  NameOf,
  PayloadOf,
  PresenceOf,
  PublishOf,
  RpcInput,
  RpcName,
  RpcOutput,
} from "./types.ts";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Fails to compile when the two types differ. */
function same<A, B>(..._: Same<A, B> extends true ? [] : ["the types differ", A, B]): void {}

const Message = z.object({ text: z.string(), at: z.number().default(0) });

const contract = defineContract({
  channels: {
    news: { payload: z.string(), permissions: { publish: "nobody" } },
    "chat:{room}": {
      payload: Message,
      presence: true,
      presenceData: v.object({ name: v.string() }),
      permissions: {
        subscribe: (session, { room }) => {
          same<typeof room, string>();
          return session.user === room;
        },
        publish: async (session, params) => {
          same<typeof params, { readonly room: string }>();
          return session.user !== undefined;
        },
      },
    },
    "chat:{room}:{topic}": { payload: type({ n: "number" }) },
    "sensor:{device}": {
      payload: type({ celsius: "number" }),
      class: "latest",
      history: { size: 10 },
    },
    "files:{owner}:{path*}": {
      permissions: { subscribe: (session, { owner, path }) => session.user === owner + path },
    },
    "game-{id}-moves": { payload: v.pipe(v.string(), v.transform(Number)), class: "volatile" },
  },
  rpc: {
    sum: {
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      handler: ({ a, b }, { session, signal }) => (signal.aborted ? session.id.length : a + b),
    },
    length: rpc({
      input: v.string(),
      output: type("number"),
      handler: async (text) => text.length,
    }),
    parse: {
      input: z.string().transform(Number),
      output: z.number().transform(String),
      handler: (n) => n,
    },
    now: { output: z.number(), handler: () => 1 },
    echo: { handler: (input) => input },
  },
  hooks: {
    onPublish: (session, { data }) =>
      session === undefined && data === null ? { reject: "no" } : { data },
  },
});
type C = typeof contract;

test("names of channels follow from the patterns", () => {
  same<ParamsOf<"a:{b}:{c*}">, { readonly b: string; readonly c: string }>();
  same<NameOf<"game-{id}-moves">, `game-${string}-moves`>();
  const names: ChannelName<C>[] = [
    "news",
    "chat:lobby",
    "chat:lobby:cats",
    "sensor:1",
    "game-7-moves",
  ];
  // @ts-expect-error no pattern begins like this
  names.push("caht:lobby");
  // @ts-expect-error a pattern without parameters is one name
  names.push("news:today");
  expect(names).toHaveLength(7);
});

test("data of channels follows from the schemas of zod, valibot and arktype", () => {
  same<PayloadOf<C, "news">, string>();
  same<PayloadOf<C, "chat:lobby">, { text: string; at: number }>();
  same<PublishOf<C, "chat:lobby">, { text: string; at?: number | undefined }>();
  same<PayloadOf<C, `chat:${string}`>, { text: string; at: number }>();
  same<PayloadOf<C, "sensor:1">, { celsius: number }>();
  same<PublishOf<C, "game-7-moves">, string>();
  same<PayloadOf<C, "game-7-moves">, number>();
  same<PayloadOf<C, "files:ada:notes:a.txt">, unknown>();
  same<PresenceOf<C, "chat:lobby">, { name: string }>();
  same<EnterOf<C, "chat:lobby">, { name: string }>();
  same<PresenceOf<C, "news">, unknown>();
  same<ClassOf<C, "sensor:1">, "latest">();
  same<ClassOf<C, "chat:lobby">, "ordered">();
  expect(contract.channels["chat:{room}"].payload).toBe(Message);
});

test("a parameter takes no colon, so that longer patterns keep their own types", () => {
  same<PayloadOf<C, "chat:lobby:cats">, { n: number }>();
  same<PayloadOf<C, `chat:${string}:${string}`>, { n: number }>();
  same<PublishOf<C, "chat:lobby:cats:black">, never>();
  same<PublishOf<C, "chat:">, never>();
});

test("inputs and outputs of RPCs follow from the schemas", () => {
  same<RpcName<C>, "sum" | "length" | "parse" | "now" | "echo">();
  same<RpcInput<C, "sum">, { a: number; b: number }>();
  same<RpcOutput<C, "sum">, number>();
  same<RpcInput<C, "length">, string>();
  same<RpcOutput<C, "length">, number>();
  same<RpcInput<C, "parse">, string>();
  same<RpcOutput<C, "parse">, string>();
  same<RpcInput<C, "now">, unknown>();
  same<RpcOutput<C, "echo">, unknown>();
  expect(Object.keys(contract.rpc)).toHaveLength(5);
});

test("without a contract every name and any data is allowed", () => {
  same<ChannelName<unknown>, string>();
  same<PayloadOf<unknown, "x">, unknown>();
  same<PublishOf<unknown, string>, unknown>();
  same<RpcName<unknown>, string>();
  same<RpcInput<unknown, "x">, unknown>();
  const empty = defineContract({ channels: {} });
  same<RpcName<typeof empty>, never>();
  expect(empty.rpc ?? {}).toEqual({});
});

test("every typed contract is a contract definition", () => {
  const any: ContractDefinition = contract;
  expect(any.channels).toBe(contract.channels);
});

test("mistakes in a definition are compile errors where they stand", () => {
  const wrong = defineContract({
    channels: {
      // @ts-expect-error no such class
      a: { class: "orderd" },
      // @ts-expect-error no such member
      b: { paylod: z.string() },
      // @ts-expect-error not a Standard Schema
      c: { payload: { text: "string" } },
      // @ts-expect-error the pattern has no parameter `room`
      "d:{channel}": { permissions: { subscribe: (_session, { room }) => room === "x" } },
      // @ts-expect-error no such action
      e: { permissions: { subscibe: "anyone" } },
      // @ts-expect-error no such rule
      f: { permissions: { subscribe: "everyone" } },
    },
    rpc: {
      // @ts-expect-error the output is a number
      g: { output: z.number(), handler: () => "x" },
      // @ts-expect-error no such member
      h: { imput: z.number(), handler: () => 1 },
      // @ts-expect-error there is no handler
      i: { input: z.number() },
    },
  });
  expect(Object.keys(wrong.channels)).toHaveLength(6);
});

test("a refusal of a handler carries its code", () => {
  expect(new RejectedError("Not today")).toMatchObject({
    code: "rejected",
    message: "Not today",
    name: "RejectedError",
  });
});

test("handlers, hooks and middleware know the contract's channels and dependencies", () => {
  const typed = defineContract({
    channels: {
      "chat:{room}": {
        payload: Message,
        permissions: { publish: (session, { room }) => session.user === room },
      },
      "sensor:{device}": { payload: type({ celsius: "number" }), class: "latest" },
    },
    dependencies: {
      start: async ({ log }) => {
        log.info("started");
        return { names: new Map<string, string>() };
      },
      stop: ({ names }) => names.clear(),
    },
    rpc: {
      close: {
        input: z.object({ room: z.string() }),
        output: z.boolean(),
        handler: async ({ room }, { publish, history, dependencies, session, signal }) => {
          same<typeof dependencies, { names: Map<string, string> }>();
          await publish(`chat:${room}`, { text: "closed" });
          // @ts-expect-error the payload has a text
          const wrong = () => publish(`chat:${room}`, { txt: "closed" });
          // @ts-expect-error no such channel
          const nowhere = () => publish("chta:a", { text: "closed" });
          const { publications } = await history(`chat:${room}`, { limit: 1 });
          same<(typeof publications)[number]["data"], { text: string; at: number }>();
          return signal.aborted || session.id === "" || wrong === nowhere;
        },
      },
    },
    middleware: [
      async ({ method, context: { log, dependencies } }, next) => {
        same<typeof dependencies, { names: Map<string, string> }>();
        log.debug(method);
        return next();
      },
    ],
    hooks: {
      onConnect: async (session, { publish, dependencies }) => {
        dependencies.names.set(session.id, session.user ?? "");
        await publish("sensor:door", { celsius: 1 }, { key: "now" });
        // @ts-expect-error celsius is a number
        const wrong = () => publish("sensor:door", { celsius: "1" });
        expect(wrong).toBeFunction();
      },
      onDisconnect: (_session, _reason, { publish }) =>
        publish("chat:lobby", { text: "left" }).then(() => {}),
    },
  });
  same<RpcInput<typeof typed, "close">, { room: string }>();
  same<RpcOutput<typeof typed, "close">, boolean>();
  same<PayloadOf<typeof typed, "chat:a">, { text: string; at: number }>();
  const bare = defineContract({
    channels: {},
    rpc: {
      none: {
        handler: (_input, { dependencies }) => {
          same<typeof dependencies, undefined>();
        },
      },
    },
  });
  expect([typed, bare]).toHaveLength(2);
});
