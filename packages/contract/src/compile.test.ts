// Owns: checks of compiled contracts: resolving, permissions, data, RPCs.
import { describe, expect, test } from "bun:test";
import type { Payload } from "@holdfast/protocol";
import { payloadFromValue, payloadValue } from "@holdfast/protocol/node";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import { type CompileOptions, compileContract } from "./compile.ts";
import type { ChannelRules, Contract, RpcRules } from "./compiled.ts";
import {
  type ContractDefinition,
  defineContract,
  RejectedError,
  type SessionView,
} from "./define.ts";
import type { Identity } from "./terms.ts";

const session: SessionView = { id: "s1", address: "127.0.0.1" };
const signal = { aborted: false, addEventListener: () => {} };
const json = (value: unknown): Payload => ({ kind: "json", text: JSON.stringify(value) });

interface Compiled {
  readonly contract: Contract;
  readonly faults: string[];
}

function compile(definition: ContractDefinition, options: Partial<CompileOptions> = {}): Compiled {
  const faults: string[] = [];
  const result = compileContract(definition, {
    channelLengthMax: 255,
    defaultRule: "authenticated",
    values: { toValue: payloadValue, fromValue: payloadFromValue },
    onError: (where) => faults.push(where),
    ...options,
  });
  if (!result.ok) throw new Error(result.problems.join("\n"));
  return { contract: result.contract, faults };
}

function channel(compiled: Compiled, name: string): ChannelRules {
  const rules = compiled.contract.resolve(name);
  if (rules === undefined) throw new Error(`${name} is not declared`);
  return rules;
}

function rpcOf(compiled: Compiled, name: string): RpcRules {
  const rules = compiled.contract.rpc(name);
  if (rules === undefined) throw new Error(`${name} is not declared`);
  return rules;
}

const check = async (compiled: Compiled, name: string, payload: Payload) =>
  channel(compiled, name).checkPayload?.(payload);

describe("resolving", () => {
  const compiled = compile({
    channels: {
      "chat:lobby": { class: "volatile" },
      "chat:{room}": {},
      "{user}:inbox": { presence: true },
      "{any}": { class: "latest" },
    },
  });

  test("the first declared pattern that matches wins, whatever its head", () => {
    expect(channel(compiled, "chat:lobby")).toMatchObject({ pattern: "chat:lobby", params: {} });
    expect(channel(compiled, "chat:inbox")).toMatchObject({
      pattern: "chat:{room}",
      params: { room: "inbox" },
    });
    expect(channel(compiled, "ada:inbox")).toMatchObject({
      pattern: "{user}:inbox",
      params: { user: "ada" },
      presence: true,
    });
    expect(channel(compiled, "chat")).toMatchObject({ pattern: "{any}", channel: "chat" });
    expect(compiled.contract.patterns).toEqual([
      "chat:lobby",
      "chat:{room}",
      "{user}:inbox",
      "{any}",
    ]);
  });

  test("names that no pattern matches, or that are no names, have no rules", () => {
    for (const name of ["ada:outbox", "", "chat:\n", "x".repeat(256), "__proto__:x", "chat:a:b"]) {
      expect(compiled.contract.resolve(name)).toBeUndefined();
    }
  });

  test("a name in use is resolved once, and remembering is bounded", () => {
    const small = compile({ channels: { "c:{n}": {} } }, { resolvedMax: 10 });
    const first = channel(small, "c:1");
    expect(channel(small, "c:1")).toBe(first);
    for (let n = 2; n < 100; n++) expect(channel(small, `c:${n}`).params.n).toBe(String(n));
    expect(channel(small, "c:1")).not.toBe(first);
  });
});

test("history and policies default by class", () => {
  const compiled = compile({
    channels: {
      o: {},
      v: { class: "volatile" },
      l: { class: "latest", history: { size: 5 } },
      d: { class: "durable", history: { ttlMs: 1000 } },
      none: { history: { size: 0 } },
      strict: { slowConsumer: "disconnect" },
    },
  });
  const row = (name: string) => [
    channel(compiled, name).stream,
    channel(compiled, name).slowConsumer,
  ];
  expect(row("o")).toEqual([{ cls: "ordered", sizeMax: 1000, ttlMs: 600_000 }, "catch-up"]);
  expect(row("v")).toEqual([{ cls: "volatile", sizeMax: 0, ttlMs: 0 }, "drop"]);
  expect(row("l")).toEqual([{ cls: "latest", sizeMax: 5, ttlMs: 600_000 }, "conflate"]);
  expect(row("d")).toEqual([{ cls: "durable", sizeMax: 1000, ttlMs: 1000 }, "catch-up"]);
  expect(row("none")).toEqual([{ cls: "ordered", sizeMax: 0, ttlMs: 600_000 }, "disconnect"]);
  expect(row("strict")[1]).toBe("disconnect");
  expect(compiled.contract.wantsDurable).toBe(true);
  expect(compile({ channels: { o: {} } }).contract.wantsDurable).toBe(false);
});

describe("permissions", () => {
  const ada: Identity = { user: "ada" };
  const device: Identity = { caps: [{ channel: "room:*", actions: ["publish"] }] };
  const compiled = compile({
    channels: {
      "room:{id}": {
        permissions: {
          subscribe: "anyone",
          publish: "token",
          presence: "nobody",
          history: (_session, { id }) => id === "open",
        },
      },
      "slow:{id}": {
        permissions: {
          subscribe: async (s) => s.id === "s1",
          publish: () => Promise.reject(new Error("down")),
        },
      },
      "bad:{id}": {
        permissions: {
          subscribe: () => {
            throw new Error("bug");
          },
          publish: (() => "yes") as never,
        },
      },
    },
  });

  test("each rule allows whom it says", () => {
    const open = channel(compiled, "room:open");
    const closed = channel(compiled, "room:closed");
    expect(open.allows("subscribe", session, {})).toBe(true);
    expect([open.allows("publish", session, device), open.allows("publish", session, ada)]).toEqual(
      [true, false],
    );
    expect(open.allows("presence", session, ada)).toBe(false);
    expect([open.allows("history", session, {}), closed.allows("history", session, {})]).toEqual([
      true,
      false,
    ]);
  });

  test("a rule that is left out is the node's default", () => {
    const rules = channel(compiled, "slow:1");
    expect([
      rules.allows("history", session, ada),
      rules.allows("history", session, device),
    ]).toEqual([true, false]);
    const dev = compile({ channels: { c: {} } }, { defaultRule: "anyone" });
    expect(channel(dev, "c").allows("history", session, {})).toBe(true);
  });

  test("a rule may answer later", async () => {
    const answer = channel(compiled, "slow:1").allows("subscribe", session, {});
    expect(answer).toBeInstanceOf(Promise);
    expect(await answer).toBe(true);
  });

  test("a rule that throws, rejects or answers no boolean refuses and is reported", async () => {
    expect(await channel(compiled, "slow:1").allows("publish", session, ada)).toBe(false);
    expect(channel(compiled, "bad:1").allows("subscribe", session, ada)).toBe(false);
    expect(channel(compiled, "bad:1").allows("publish", session, ada)).toBe(false);
    expect(compiled.faults).toEqual([
      "permission publish of slow:{id}",
      "permission subscribe of bad:{id}",
      "permission publish of bad:{id}",
    ]);
  });
});

describe("data", () => {
  const schemas = {
    zod: z.object({ text: z.string(), tags: z.array(z.object({ name: z.string() })).optional() }),
    valibot: v.object({
      text: v.string(),
      tags: v.optional(v.array(v.object({ name: v.string() }))),
    }),
    arktype: type({ text: "string", "tags?": type({ name: "string" }).array() }),
  };
  for (const [library, payload] of Object.entries(schemas)) {
    test(`${library}: right data travels on as it came, wrong data names the field`, async () => {
      const compiled = compile({ channels: { c: { payload } } });
      const given: Payload = { kind: "json", text: '{ "text" : "hi", "tags":[{"name":"a"}] }' };
      const outcome = await check(compiled, "c", given);
      expect(outcome).toEqual({ ok: true, value: given });
      expect(outcome?.ok === true && outcome.value).toBe(given);
      expect(await check(compiled, "c", json({ text: 1 }))).toMatchObject({
        ok: false,
        code: "payload_invalid",
        path: "text",
      });
      const nested = await check(
        compiled,
        "c",
        json({ text: "x", tags: [{ name: "a" }, { name: 2 }] }),
      );
      expect(nested).toMatchObject({ ok: false, code: "payload_invalid", path: "tags[1].name" });
      expect(await check(compiled, "c", json("text"))).toMatchObject({
        ok: false,
        code: "payload_invalid",
      });
    });
  }

  test("what the schema made of the data travels on", async () => {
    const compiled = compile({
      channels: {
        strip: { payload: z.object({ a: z.number() }) },
        fill: { payload: v.object({ a: v.optional(v.number(), 7) }) },
        turn: { payload: type("string.numeric.parse") },
      },
    });
    expect(await check(compiled, "strip", json({ a: 1, b: 2 }))).toEqual({
      ok: true,
      value: json({ a: 1 }),
    });
    expect(
      await check(compiled, "strip", { kind: "json", text: '{"a":1,"__proto__":{"x":1}}' }),
    ).toEqual({
      ok: true,
      value: json({ a: 1 }),
    });
    expect(await check(compiled, "fill", json({}))).toEqual({ ok: true, value: json({ a: 7 }) });
    expect(await check(compiled, "turn", json("12"))).toEqual({ ok: true, value: json(12) });
  });

  test("a schema that changes the data in place is noticed", async () => {
    const payload = {
      "~standard": {
        version: 1 as const,
        vendor: "test",
        validate: (value: unknown) => {
          (value as { seen?: boolean }).seen = true;
          return { value };
        },
      },
    };
    expect(await check(compile({ channels: { c: { payload } } }), "c", json({ a: 1 }))).toEqual({
      ok: true,
      value: json({ a: 1, seen: true }),
    });
  });

  test("MessagePack data stays MessagePack, and bytes are checked as bytes", async () => {
    const compiled = compile({
      channels: {
        m: { payload: z.object({ n: z.number().default(3) }) },
        b: { payload: z.instanceof(Uint8Array) },
      },
    });
    const same = payloadFromValue({ n: 1 }, "msgpack");
    expect(await check(compiled, "m", same)).toEqual({ ok: true, value: same });
    const filled = await check(compiled, "m", payloadFromValue({}, "msgpack"));
    expect(filled).toEqual({ ok: true, value: payloadFromValue({ n: 3 }, "msgpack") });
    const bytes: Payload = { kind: "bytes", bytes: new Uint8Array([1, 2]) };
    expect(await check(compiled, "b", bytes)).toEqual({ ok: true, value: bytes });
    expect(await check(compiled, "b", json("x"))).toMatchObject({
      ok: false,
      code: "payload_invalid",
    });
  });

  test("a schema may answer later; one that fails, or makes what cannot be sent, is reported and nothing passes", async () => {
    const compiled = compile({
      channels: {
        later: { payload: z.string().refine(async (text) => text === "ok") },
        broken: {
          payload: z.string().transform(() => {
            throw new Error("bug");
          }),
        },
        unsendable: { payload: z.string().transform((text) => ({ text, at: new Date(0) })) },
        nothing: { payload: z.string().transform(() => undefined) },
      },
    });
    expect(await check(compiled, "later", json("ok"))).toMatchObject({ ok: true });
    expect(await check(compiled, "later", json("no"))).toMatchObject({
      ok: false,
      code: "payload_invalid",
    });
    expect(await check(compiled, "broken", json("x"))).toMatchObject({
      ok: false,
      code: "request_failed",
    });
    // Repeating is no use: the refusal is final, and names the field.
    expect(await check(compiled, "nothing", json("x"))).toMatchObject({ code: "payload_invalid" });
    expect(await check(compiled, "unsendable", json("x"))).toEqual({
      ok: false,
      code: "payload_invalid",
      message: "Cannot write the data: found a Date at at, expected plain data",
      path: "at",
    });
    expect(compiled.faults).toEqual([
      "payload schema of broken",
      "payload schema of nothing",
      "payload schema of unsendable",
    ]);
  });

  test("data that nests too deep to compare is encoded anew or refused, and never breaks the node", async () => {
    const compiled = compile({ channels: { c: { payload: z.unknown() } } });
    for (const depth of [50, 5000, 50_000]) {
      const outcome = await check(compiled, "c", {
        kind: "json",
        text: "[".repeat(depth) + "]".repeat(depth),
      });
      expect(outcome).toBeDefined();
    }
  });

  test("presence data may be absent where the schema lets it", async () => {
    const compiled = compile({
      channels: {
        may: { presence: true, presenceData: z.object({ name: z.string() }).optional() },
        must: { presence: true, presenceData: z.object({ name: z.string() }) },
        fills: {
          presence: true,
          presenceData: z.object({ name: z.string() }).default({ name: "?" }),
        },
      },
    });
    expect(await channel(compiled, "may").checkPresence?.(undefined)).toEqual({
      ok: true,
      value: undefined,
    });
    expect(await channel(compiled, "must").checkPresence?.(undefined)).toMatchObject({
      ok: false,
      code: "payload_invalid",
    });
    expect(await channel(compiled, "fills").checkPresence?.(undefined)).toEqual({
      ok: true,
      value: json({ name: "?" }),
    });
    expect(channel(compile({ channels: { c: {} } }), "c").checkPresence).toBeUndefined();
  });
});

describe("RPCs", () => {
  const compiled = compile(
    defineContract({
      channels: {},
      rpc: {
        sum: {
          input: z.object({ a: z.number(), b: z.number() }),
          output: z.number(),
          handler: ({ a, b }) => a + b,
        },
        when: { input: z.coerce.date(), handler: (date) => date.getTime() },
        who: { allow: "anyone", handler: (_input, { session: caller }) => caller.id },
        echo: { handler: (input) => input },
        no: {
          handler: () => {
            throw new RejectedError("Not today");
          },
        },
        bug: { handler: () => Promise.reject(new Error("secret")) },
        lies: { output: z.number(), handler: (() => "x") as never },
        mine: { allow: (caller) => caller.id === "s1", handler: () => 1 },
      },
    }),
  );
  const call = (name: string, input?: Payload) =>
    rpcOf(compiled, name).call(input, { session, signal } as never);

  test("input and output pass their schemas, and the handler gets what the schema made", async () => {
    expect(await call("sum", json({ a: 1, b: 2 }))).toEqual({ ok: true, value: json(3) });
    expect(await call("sum", json({ a: 1, b: "2" }))).toMatchObject({
      ok: false,
      code: "payload_invalid",
      path: "b",
    });
    expect(await call("sum")).toMatchObject({ ok: false, code: "payload_invalid" });
    expect(await call("when", json("1970-01-01T00:00:01Z"))).toEqual({
      ok: true,
      value: json(1000),
    });
    expect(await call("who")).toEqual({ ok: true, value: json("s1") });
  });

  test("an answer has the form of the input, and none stays none", async () => {
    const packed = payloadFromValue({ a: [1] }, "msgpack");
    expect(await call("echo", packed)).toEqual({ ok: true, value: packed });
    expect(await call("echo")).toEqual({ ok: true, value: undefined });
  });

  test("a refusal reaches the caller; a failure does not say why, and is reported", async () => {
    expect(await call("no")).toEqual({ ok: false, code: "rejected", message: "Not today" });
    expect(await call("bug")).toEqual({
      ok: false,
      code: "rpc_failed",
      message: 'The handler of "bug" failed',
    });
    expect(await call("lies")).toMatchObject({ ok: false, code: "rpc_failed" });
    expect(compiled.faults).toEqual(["rpc bug", "rpc lies"]);
  });

  test("who may call is decided as for channels", async () => {
    expect(rpcOf(compiled, "sum").allows(session, {})).toBe(false);
    expect(rpcOf(compiled, "sum").allows(session, { user: "ada" })).toBe(true);
    expect(rpcOf(compiled, "who").allows(session, {})).toBe(true);
    expect(await rpcOf(compiled, "mine").allows({ ...session, id: "s2" }, {})).toBe(false);
    expect(compiled.contract.rpc("toString")).toBeUndefined();
  });
});
