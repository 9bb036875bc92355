// Owns: which hooks and RPCs of a contract back ends answer, and what is refused at the start.
import { expect, test } from "bun:test";
import { backEnd, type ContractDefinition, defineContract } from "@holdfast/contract";
import type { BackEndSettings } from "../options/back-ends.ts";
import type { BackEnd } from "./back-end.ts";
import { withBackEnds } from "./definition.ts";
import type { BackEndAnswer, Question } from "./message.ts";

const SETTINGS: BackEndSettings = {
  url: "http://127.0.0.1:9/",
  timeoutMs: 1000,
  hooks: [],
  rpcs: {},
  whenAway: "refuse",
};

function wire(definition: ContractDefinition, more: Record<string, Partial<BackEndSettings>>) {
  const asked: Question[] = [];
  const answers: BackEndAnswer[] = [];
  const ask = async (question: Question): Promise<BackEndAnswer> => {
    asked.push(question);
    return answers.shift() ?? { hasData: false };
  };
  const settings = Object.fromEntries(
    Object.entries(more).map(([name, one]) => [name, { ...SETTINGS, ...one }]),
  );
  const backEnds = new Map(Object.keys(more).map((name) => [name, { ask } as unknown as BackEnd]));
  return { wired: withBackEnds(definition, settings, backEnds), asked, answers };
}

const SESSION = { id: "s1", address: "10.0.0.1" };
const CALL = { session: SESSION, signal: { aborted: false, addEventListener() {} } } as never;

test("an RPC of the contract that names a back end keeps its rules and is answered by it", async () => {
  const contract = defineContract({
    channels: {},
    rpc: { close: { allow: "anyone", handler: backEnd("desk") }, own: { handler: () => 1 } },
  });
  const { wired, asked, answers } = wire(contract, { desk: {} });
  const close = wired.ok ? wired.definition.rpc?.close : undefined;
  answers.push({ hasData: true, data: 7 }, { hasData: false, reject: "no" });
  expect(close?.allow).toBe("anyone");
  expect(await close?.handler({ ticket: 1 }, CALL)).toBe(7);
  expect(asked).toEqual([{ type: "rpc", session: SESSION, method: "close", data: { ticket: 1 } }]);
  await expect(close?.handler({}, CALL)).rejects.toMatchObject({ name: "RejectedError" });
  expect(wired.ok && wired.definition.rpc?.own?.handler({}, CALL)).toBe(1);
});

test("a hook's answer refuses, replaces, or lets pass", async () => {
  const hooks = ["onConnect", "onSubscribe", "onPublish", "onDisconnect"] as const;
  const { wired, asked, answers } = wire({ channels: {} }, { desk: { hooks } });
  const made = wired.ok ? wired.definition.hooks : undefined;
  const publication = { channel: "a", params: {}, data: 1 };
  answers.push(
    { hasData: false, reject: "closed" },
    { hasData: false },
    { hasData: true, data: 2 },
    { hasData: false, reject: "no" },
  );
  expect(await made?.onConnect?.(SESSION, CALL)).toEqual({ reject: "closed" });
  expect(await made?.onSubscribe?.(SESSION, "a", {}, CALL)).toBeUndefined();
  expect(await made?.onPublish?.(undefined, publication, CALL)).toEqual({ data: 2 });
  expect(await made?.onPublish?.(SESSION, publication, CALL)).toEqual({ reject: "no" });
  expect(await made?.onDisconnect?.(SESSION, "left", CALL)).toBeUndefined();
  expect(asked.map(({ type }) => type)).toEqual([
    "connect",
    "subscribe",
    "publish",
    "publish",
    "disconnect",
  ]);
});

test("two who answer the same, and a back end that nobody named, are refused together", () => {
  const contract: ContractDefinition = {
    channels: {},
    rpc: { close: { handler: backEnd("dsk") }, list: { handler: () => 1 } },
    hooks: { onConnect: () => undefined },
  };
  const { wired } = wire(contract, {
    desk: { hooks: ["onConnect", "onPublish"], rpcs: { list: "anyone" } },
    other: { hooks: ["onPublish"] },
  });
  expect(wired.ok ? [] : wired.problems).toEqual([
    'Cannot use rpc "close": found back end "dsk", expected desk, other',
    'Cannot use back end "desk" for onConnect: found another one, expected one',
    'Cannot use back end "desk" for rpc "list": found another handler',
    'Cannot use back end "other" for onPublish: found another one, expected one',
  ]);
});

test("without option backEnds an RPC that names one is refused", () => {
  const { wired } = wire({ channels: {}, rpc: { close: { handler: backEnd("desk") } } }, {});
  expect(wired.ok ? [] : wired.problems).toEqual([
    'Cannot use rpc "close": found back end "desk", expected one in option backEnds, which has none',
  ]);
});
