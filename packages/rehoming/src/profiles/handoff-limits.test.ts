import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import { type Backend, World } from "../testing/world.ts";
import { type HandoffRules, handoff } from "./handoff.ts";
import {
  type FromGateway,
  readFromGateway,
  writeClose,
  writeCommit,
  writeDraft,
  writeMessage,
  writeReady,
  writeSync,
} from "./handoff-messages.ts";

type Send = (frame: Frame) => void;
type Answer = (message: FromGateway, send: Send, close: (code: number) => void) => void;

/** Pods that say ready, and otherwise what `answers` say, one for each home; the last for more. */
function world(answers: readonly Answer[], rules: HandoffRules = {}, waitingBytesMax = 256 * 1024) {
  const heard: FromGateway[][] = [];
  const one = new World({
    ...{ profile: handoff(rules), random: createSeededRandom(1), limits: { waitingBytesMax } },
    fate: () => ({ opens: "well", delayMs: 2 }),
    backend: (): Backend => {
      const messages: FromGateway[] = [];
      heard.push(messages);
      const answer = answers[Math.min(heard.length, answers.length) - 1];
      return {
        received(frame, send, close) {
          const message = readFromGateway(frame);
          if (message === undefined) throw new TypeError("the gateway sent what is no message");
          messages.push(message);
          if (message.type === "hello") send(writeReady());
          answer?.(message, send, close);
          if (message.type === "leave") close(1000);
        },
      };
    },
  });
  return { one, heard };
}
const silent: Answer = () => {};
const bytes = (length: number): Uint8Array => new Uint8Array(length);
/** What a pod says once it has the client. */
const says =
  (...frames: Frame[]): Answer =>
  ({ type }, send) => {
    if (type === "attach") for (const frame of frames) send(frame);
  };

test("a message is heard with its commit and not before; a sync is answered with what is saved", () => {
  const { one, heard } = world([says(writeMessage(1, "a"), writeMessage(2, "b"), writeSync())]);
  one.fromClient("x");
  one.clock.advance(20);
  expect(one.got).toEqual([]);
  expect(heard[0]?.at(-1)).toEqual({ type: "saved", up: 0, down: 0 });
  one.held.fromHome(0, writeCommit(1, bytes(3)));
  one.held.fromHome(0, writeSync());
  one.clock.advance(20);
  expect(one.got).toEqual(["a", "b"]);
  expect(heard[0]?.at(-1)).toEqual({ type: "saved", up: 1, down: 2 });
});

test("the next pod gets the last commit, and the client's messages behind it", () => {
  const { one, heard } = world([silent]);
  for (const frame of ["a", "b", "c"]) one.fromClient(frame);
  one.clock.advance(20);
  one.held.fromHome(0, writeMessage(1, "heard", { early: true }));
  one.held.fromHome(0, writeDraft(Uint8Array.of(7)));
  one.held.fromHome(0, writeMessage(2, "held", { up: 1 }));
  one.held.fromHome(0, writeMessage(3, "forgotten"));
  one.held.fromHome(0, writeDraft(Uint8Array.of(8)));
  one.kill();
  one.clock.advance(20);
  expect(one.got).toEqual(["heard", "held"]);
  expect(heard[1]?.slice(1)).toEqual([
    { type: "attach", up: 1, down: 2, got: 2, state: Uint8Array.of(7) },
    { type: "message", index: 2, frame: "b" },
    { type: "message", index: 3, frame: "c" },
  ]);
  // Nor does a draft of the former one become a state by the next one's commit.
  one.held.fromHome(1, writeCommit(2));
  one.kill();
  one.clock.advance(20);
  expect(heard[2]?.[1]).toMatchObject({ type: "attach", up: 2, state: Uint8Array.of(7) });
});

test("early messages are not heard twice; a pod may begin with the first that was not heard", () => {
  const early = { early: true };
  for (const from of [1, 3]) {
    const { one, heard } = world([
      says(writeMessage(1, "1", early), writeMessage(2, "2", early)),
      says(...[1, 2, 3].filter((i) => i >= from).map((i) => writeMessage(i, `${i}!`, early))),
    ]);
    one.clock.advance(20);
    one.kill();
    one.clock.advance(20);
    expect(heard[1]?.[1]).toMatchObject({ type: "attach", up: 0, down: 0, got: 2 });
    expect([one.got, one.closed]).toEqual([["1", "2", "3!"], undefined]);
  }
});

test("an early message behind one that waits for a commit waits, too", () => {
  const { one } = world([says(writeMessage(1, "a"), writeMessage(2, "b", { early: true }))]);
  one.clock.advance(20);
  expect(one.got).toEqual([]);
});

test("in a drain the former pod is asked to go, and its last commit counts", () => {
  const { one, heard } = world([
    ({ type }, send) => {
      if (type === "leave") send(writeCommit(1, Uint8Array.of(1)));
    },
  ]);
  one.fromClient("a");
  one.clock.advance(20);
  one.held.move("drain", 5000);
  one.clock.advance(one.limits.settleMsMax + 100);
  expect(heard[0]?.map(({ type }) => type)).toEqual(["hello", "attach", "message", "leave"]);
  const state = Uint8Array.of(1);
  expect(heard[1]?.slice(1)).toEqual([{ type: "attach", up: 1, down: 0, got: 0, state }]);
});

test.each<readonly [string, readonly Frame[]]>([
  ["text", ["hello"]],
  ["no message", [Uint8Array.of(0xff)]],
  ["an index that is left out", [writeMessage(2, "a")]],
  ["an index twice", [writeMessage(1, "a"), writeMessage(1, "a")]],
  ["a commit of what nobody sent", [writeCommit(5)]],
  ["a state that is too large", [writeCommit(0, bytes(101))]],
  ["a draft that is too large", [writeDraft(bytes(101))]],
  ["too much without a commit", [writeMessage(1, bytes(60)), writeMessage(2, bytes(60))]],
])("G2: %s is the application's fault, and the client is closed with 1011", (_name, frames) => {
  const { one } = world([says(...frames)], { stateBytesMax: 100, uncommittedBytesMax: 100 });
  one.clock.advance(50);
  expect(one.closed?.code).toBe(1011);
  expect([one.homes.length, one.roomTaken, one.clock.waiting()]).toEqual([1, 0, 0]);
});

test("a message that commits itself may be long, and one without a client's message, too", () => {
  const { one } = world([says(writeMessage(1, bytes(90_000), { up: 0 }))]);
  one.clock.advance(20);
  expect([one.got.length, one.closed, one.roomTaken]).toEqual([1, undefined, 0]);
});

test("an application's close is the client's, when it is committed", () => {
  const goodbye = writeClose(1, { code: 4003, reason: "kicked" });
  const { one } = world([says(goodbye)]);
  one.clock.advance(20);
  expect(one.closed).toBeUndefined();
  one.held.fromHome(0, writeCommit(0));
  expect(one.closed).toEqual({ code: 4003, reason: "kicked" });
});

test("any other close of a pod's socket means that the pod is lost", () => {
  for (const code of [1000, 1011, 4001]) {
    const { one } = world([silent]);
    one.clock.advance(20);
    one.closeHome(code);
    one.clock.advance(50);
    expect([one.closed, one.homes.length]).toEqual([undefined, 2]);
  }
});

test("G4: a client is read no further while too much is uncommitted, and nothing is lost", () => {
  const { one, heard } = world([silent], { unacknowledgedBytesMax: 2000 });
  one.clock.advance(20);
  for (let i = 0; i < 100 && !one.paused; i++) one.fromClient("x".repeat(100));
  expect(one.paused).toBe(true);
  // What was read before the pause.
  one.held.fromClient("last");
  const sent = one.offered;
  one.clock.advance(20);
  expect(heard[0]?.length).toBe(sent + 2);
  one.held.fromHome(0, writeCommit(sent));
  one.clock.advance(20);
  expect(one.paused).toBe(false);
  expect(heard[0]?.at(-1)).toEqual({ type: "message", index: sent + 1, frame: "last" });
});

test("G5: a pod that never commits is taken for dead, and one after the other ends the client", () => {
  const { one } = world([silent], { commitMsMax: 1000 });
  one.fromClient("a");
  one.clock.advance(2100);
  expect(one.homes.length).toBe(2);
  expect(one.closed).toBeUndefined();
  one.clock.advance(20_000);
  expect(one.closed?.code).toBe(1012);
  expect([one.roomTaken, one.clock.waiting()]).toEqual([0, 0]);
});

test("a pod that commits in time, and one with nothing to do, are left alone", () => {
  const { one } = world(
    [
      (message, send) => {
        if (message.type === "message") send(writeCommit(message.index));
      },
    ],
    { commitMsMax: 1000 },
  );
  for (let i = 0; i < 20; i++) {
    one.fromClient("a");
    one.clock.advance(400);
  }
  one.clock.advance(60_000);
  expect([one.homes.length, one.roomTaken, one.clock.waiting()]).toEqual([1, 0, 0]);
});

test("a pod that does not say ready does not get the client", () => {
  const { one } = world([silent]);
  one.clock.advance(20);
  const two = new World({
    ...{ profile: handoff(), random: createSeededRandom(1) },
    fate: () => ({ opens: "well", delayMs: 2 }),
    backend: () => ({ received: (_, send) => send("welcome") }),
  });
  two.clock.advance(20);
  expect(two.moveFailures[0]).toContain("does not speak");
});

test("a client that closes is told to a pod, and another one if that dies before its commit", () => {
  const { one, heard } = world([
    silent,
    (message, send) => {
      if (message.type === "close") send(writeCommit(message.index));
    },
  ]);
  one.fromClient("bye");
  one.clock.advance(20);
  one.held.clientClosed(1001, "tab");
  one.clock.advance(20);
  expect(one.held.isOver).toBe(false);
  one.kill();
  one.clock.advance(50);
  expect(heard[1]?.at(-1)).toEqual({ type: "close", index: 2, code: 1001, reason: "tab" });
  expect([one.held.isOver, one.roomTaken, one.clock.waiting()]).toEqual([true, 0, 0]);
});

test("G2: a client that closed is forgotten in the end, and that nobody acknowledged it is counted", () => {
  const { one } = world([silent], { commitMsMax: 60_000 });
  one.clock.advance(20);
  one.held.clientClosed(1006, "");
  one.clock.advance(one.limits.homelessMsMax + 100);
  expect([one.held.isOver, one.dropped, one.roomTaken, one.clock.waiting()]).toEqual([
    ...[true, 1, 0, 0],
  ]);
});

test("subprotocols: the client's own are carried behind the name", () => {
  const { subprotocols } = handoff();
  expect(subprotocols?.offered(["a", "b"])).toEqual([
    ...["holdfast.handoff.v1+a", "holdfast.handoff.v1+b", "holdfast.handoff.v1"],
  ]);
  const chosen = ["holdfast.handoff.v1+b", "holdfast.handoff.v1", "", "b", "holdfast.handoff.v10"];
  expect(chosen.map((name) => subprotocols?.chosen(name))).toEqual(["b", "", ...Array(3)]);
});
