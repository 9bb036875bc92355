// Owns: checks of the conversation's order and of the fate of messages.
import { describe, expect, test } from "bun:test";
import {
  type ChatEvent,
  type ChatLog,
  ENTRIES_MAX,
  emptyChat,
  oldestOffset,
  reduceChat,
} from "./chat-log.ts";

const after = (events: readonly ChatEvent[]): ChatLog => events.reduce(reduceChat, emptyChat);
const message = (offset: number) => ({
  offset,
  atMs: 0,
  session: "s",
  name: "Ada",
  text: `m${offset}`,
});
const received = (offset: number): ChatEvent => ({
  kind: "received",
  epoch: "e",
  message: message(offset),
});
const queued: ChatEvent = { kind: "queued", key: "k", text: "hello" };
const sent: ChatEvent = { kind: "sent", key: "k", offset: 3, epoch: "e" };

describe("the chat log", () => {
  test("a message shows once when its answer comes before its delivery, and the other way round", () => {
    for (const order of [
      [sent, received(3)],
      [received(3), sent],
    ]) {
      const log = after([queued, ...order]);
      expect(log.outgoing).toEqual([]);
      expect(log.entries.map((entry) => entry.key)).toEqual(["e:3"]);
    }
  });

  test("a message that was sent stays in sight until the room delivers it", () => {
    expect(after([queued, sent]).outgoing).toEqual([
      { key: "k", text: "hello", fate: { state: "sent", offset: 3 } },
    ]);
  });

  test("a failed message says why, can be queued again and dropped", () => {
    const failed: ChatEvent = { kind: "failed", key: "k", why: "no" };
    expect(after([queued, failed]).outgoing[0]?.fate).toEqual({ state: "failed", why: "no" });
    expect(after([queued, failed, queued]).outgoing).toMatchObject([{ fate: { state: "queued" } }]);
    expect(after([queued, failed, { kind: "dropped", key: "k" }]).outgoing).toEqual([]);
  });

  test("older messages go before the others, without doubles", () => {
    const log = after([
      received(5),
      { kind: "older", epoch: "e", messages: [message(3), message(4), message(5)] },
    ]);
    expect(log.entries.map((entry) => entry.key)).toEqual(["e:3", "e:4", "e:5"]);
    expect(oldestOffset(log)).toBe(3);
  });

  test("older messages of another epoch are ignored", () => {
    expect(
      after([received(5), { kind: "older", epoch: "f", messages: [message(1)] }]).entries.length,
    ).toBe(1);
  });

  test("when the channel begins anew, old messages stay above the gap and older ones of the new epoch go below it", () => {
    const anew = (offset: number): ChatEvent => ({
      kind: "received",
      epoch: "f",
      message: message(offset),
    });
    const log = after([received(7), { kind: "gap", from: 8, to: null, reason: "epoch" }, anew(3)]);
    expect(oldestOffset(log)).toBe(3);
    const more = reduceChat(log, { kind: "older", epoch: "f", messages: [message(1), message(2)] });
    expect(more.entries.map((entry) => entry.key)).toEqual(["e:7", "gap:8:?", "f:1", "f:2", "f:3"]);
  });

  test("a gap stands where its messages would have stood", () => {
    const log = after([
      received(1),
      { kind: "gap", from: 2, to: 4, reason: "history" },
      received(5),
    ]);
    expect(log.entries.map((entry) => entry.kind)).toEqual(["message", "gap", "message"]);
  });

  test("the oldest entries go when there are too many", () => {
    const log = after(Array.from({ length: ENTRIES_MAX + 10 }, (_, index) => received(index + 1)));
    expect(log.entries.length).toBe(ENTRIES_MAX);
    expect(log.entries[0]).toMatchObject({ offset: 11 });
    expect(oldestOffset(log)).toBeUndefined();
  });
});
