import { expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { scripted } from "../testing/scripted-node.ts";
import { HoldfastError } from "./errors.ts";

function start() {
  const all = scripted(createManualClock());
  const results: unknown[] = [];
  const call = (m: string, options: { timeoutMs?: number; repeatable?: boolean } = {}) => {
    const stop = all.engine.calls.start(
      { t: "rpc", m, data: 1 },
      { timeoutMs: 10_000, repeatable: false, name: m, ...options },
      (result) => results.push(result instanceof HoldfastError ? result.code : result),
    );
    all.clock.flush();
    return stop;
  };
  return { ...all, call, results };
}

test("answers reach their calls in whatever order they come", () => {
  const { connect, call, results } = start();
  const socket = connect();
  call("a");
  call("b");
  const [a, b] = socket.take();
  socket.send({ t: "ok", id: b?.id, d: "B" });
  socket.send({ t: "ok", id: a?.id, d: "A" }, { t: "ok", id: a?.id, d: "twice" });
  expect(results).toMatchObject([{ data: "B" }, { data: "A" }]);
});

test("a call waits for a connection, up to its timeout", () => {
  const { connect, call, results, clock, socket } = start();
  call("late", { timeoutMs: 100 });
  call("in time");
  clock.advance(100);
  expect(results).toEqual(["timeout"]);
  connect();
  expect(
    socket()
      .messages.flat()
      .filter(({ t }) => t === "rpc"),
  ).toMatchObject([{ m: "in time", d: 1 }]);
});

test("a call that was sent is not repeated after the connection was lost, unless it may be", () => {
  const { connect, call, results, clock, socket } = start();
  const first = connect({ windowMs: 0 });
  call("once");
  call("again", { repeatable: true });
  expect(first.take()).toHaveLength(2);
  first.drop();
  expect(results).toEqual(["connection_lost"]);
  clock.advance(1_000);
  socket().accept();
  expect(socket().takeOne("rpc").m).toBe("again");
});

test("giving up and timing out tell the node; a late answer is ignored", () => {
  const { connect, call, results, clock } = start();
  const socket = connect();
  const stop = call("a");
  call("b", { timeoutMs: 500 });
  const [a, b] = socket.take();
  stop(new HoldfastError("aborted", ""));
  clock.advance(500);
  expect(socket.take()).toEqual([
    { t: "cancel", id: a?.id as number },
    { t: "cancel", id: b?.id as number },
  ]);
  socket.send(
    { t: "ok", id: a?.id, d: 1 },
    { t: "err", id: b?.id, code: 218, name: "rpc_cancelled", msg: "" },
  );
  expect(results).toEqual(["aborted", "timeout"]);
});

test("a long call does not end the connection", () => {
  const { connect, call, clock, results, states } = start();
  const socket = connect();
  socket.answersPings = true;
  call("slow", { timeoutMs: 120_000 });
  const [frame] = socket.take();
  clock.advance(90_000);
  socket.send({ t: "ok", id: frame?.id });
  expect(results).toMatchObject([{ t: "ok" }]);
  expect(states).toEqual(["connected connected"]);
});

test("more than 1,000 calls at once are refused", () => {
  const { call, results } = start();
  for (let index = 0; index < 1_001; index++) call("x");
  expect(results).toEqual(["queue_full"]);
});

test("errors of the node carry its code", () => {
  const { connect, call, results } = start();
  const socket = connect();
  call("x");
  socket.send({ t: "err", id: socket.take()[0]?.id, code: 215, name: "rpc_unknown", msg: "" });
  expect(results).toEqual(["rpc_unknown"]);
});

test("a call larger than the node takes is refused, and the connection stays", () => {
  const { connect, call, results, states } = start();
  const socket = connect({ messageBytesMax: 100 });
  call("x".repeat(100));
  expect(socket.take()).toEqual([]);
  expect([results, states]).toEqual([["payload_too_large"], ["connected connected"]]);
});
