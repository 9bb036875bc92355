// Owns: checks that the demo's contract compiles and refuses what it should.
import { expect, test } from "bun:test";
import { demoContract } from "./contract.ts";
import { BOARD, ROOM, ROPE_KNOTS, TICKER, WINCH } from "./names.ts";

test("the contract declares the channels that the page uses, in their classes", () => {
  const channels = demoContract.channels;
  expect(channels["chat:{room}"].presence).toBe(true);
  expect(channels["board:{room}"].class).toBe("volatile");
  expect(channels["telemetry:{device}"].class).toBe("latest");
  expect([ROOM, BOARD, WINCH, TICKER]).toEqual([
    "chat:lobby",
    "board:deck",
    "telemetry:winch",
    "ticker",
  ]);
});

test("a message without text and a grip on a knot that is not there are refused", () => {
  const { payload } = demoContract.channels["chat:{room}"];
  expect(payload?.safeParse({ name: "Ada", text: "  " }).success).toBe(false);
  expect(payload?.safeParse({ name: "Ada", text: " hi " }).data).toEqual({
    name: "Ada",
    text: "hi",
  });
  const board = demoContract.channels["board:{room}"].payload;
  expect(board?.safeParse({ x: 0, y: 0, knot: ROPE_KNOTS, here: true, name: "Ada" }).success).toBe(
    false,
  );
});
