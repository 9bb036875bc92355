import { expect, test } from "bun:test";
import { NOTHING } from "./account.ts";
import type { Account, DeclaredHole } from "./app.ts";
import { type Found, judged } from "./judge.ts";
import type { StepKind } from "./step-kind.ts";

const HOLE: DeclaredHole = { holes: ["answers"], kinds: ["death"], text: "it had died" };
const judge = (kind: StepKind, account: Partial<Account>, found: Partial<Found> = {}) =>
  judged({ name: "a", title: "A", kind, run: async () => {} }, [HOLE], {
    account: { ...NOTHING, ...account },
    aboveSteadyMs: 0,
    ...found,
  });

test("a step in which everything arrived holds", () => {
  for (const kind of ["steady", "drain", "hang", "death", "restart"] as const)
    expect(judge(kind, { sent: 5, answered: 5 })).toEqual({ failures: [], declared: [] });
});

test("what a profile declares is told with its reason, in its kinds of steps alone", () => {
  expect(judge("death", { unanswered: 2 })).toEqual({
    failures: [],
    declared: ["2 frames without an answer: it had died"],
  });
  expect(judge("drain", { unanswered: 2 }).failures).toEqual(["2 frames without an answer"]);
});

test.each<[Partial<Account>, string]>([
  [{ doubled: 1 }, "1 answers twice"],
  [{ outOfOrder: 1 }, "1 answers out of order"],
  [{ pushesWrong: 3, pushesTwice: 1 }, "3 frames of servers missing, or twice (1)"],
  [{ told: 1 }, "1 frames answered by an error of the profile"],
  [{ closes: { 1001: 2, 1006: 1 } }, '3 clients were closed: {"1001":2,"1006":1}'],
])("nobody declared %p", (account, text) => {
  expect(judge("death", account)).toEqual({ failures: [text], declared: [] });
});

test("frames that two servers took, and documents that differ, are seen", () => {
  const taken = { frames: 9, again: 2, ofMissing: 0 };
  const documents = { count: 3, different: ["a"] };
  expect(judge("drain", {}, { taken, documents }).failures).toEqual([
    "2 frames reached servers twice",
    "1 documents differ between clients and servers: a",
  ]);
});

test("a pause has a limit by the kind of step", () => {
  const isLong = (kind: StepKind, aboveSteadyMs: number): boolean =>
    judge(kind, {}, { aboveSteadyMs }).failures.length > 0;
  expect([isLong("drain", 50), isLong("drain", 51)]).toEqual([false, true]);
  expect([isLong("death", 1000), isLong("death", 1001)]).toEqual([false, true]);
  expect([isLong("steady", 5000), isLong("restart", 5000)]).toEqual([false, false]);
});

test("in a restart clients are closed with 1012, and no other code", () => {
  expect(judge("restart", { closes: { 1012: 5, 0: 2 }, unanswered: 1 }).failures).toEqual([]);
  expect(judge("restart", { closes: { 1012: 5, 1006: 1 } }).failures).toEqual([
    '1 clients were closed: {"1006":1}',
  ]);
});
