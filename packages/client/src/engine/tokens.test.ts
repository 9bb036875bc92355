import { describe, expect, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { scripted } from "../testing/scripted-node.ts";
import { HoldfastError } from "./errors.ts";

const start = (options = {}) => scripted(createManualClock(), options);
/** Lets promises settle and what they deferred run. */
const settle = async (clock: { flush(): void }) => {
  for (let turn = 0; turn < 10; turn++) {
    await Promise.resolve();
    clock.flush();
  }
};
const goodbye = (code: number, name: string, more = {}) => ({
  t: "goodbye",
  code,
  name,
  msg: "",
  ...more,
});

describe("tokens", () => {
  const withTokens = (tokens: readonly (string | Error)[]) => {
    const reasons: string[] = [];
    const left = [...tokens];
    const getToken = async ({ reason }: { reason: string }) => {
      reasons.push(reason);
      const token = left.shift() ?? "more";
      if (token instanceof Error) throw token;
      return token;
    };
    return { reasons, ...start({ getToken }) };
  };

  test("a token is asked for once; the resume token does afterwards", async () => {
    const { engine, clock, socket, sockets, reasons } = withTokens(["t1"]);
    engine.start();
    await settle(clock);
    expect(socket().accept()).toMatchObject([{ t: "connect", token: "t1" }]);
    clock.advance(6_000);
    socket().drop();
    clock.advance(1_000);
    expect(sockets).toHaveLength(2);
    socket().open();
    const frame = socket().takeOne("connect");
    expect([frame.token, frame.resume]).toEqual([undefined, "r1"]);
    expect(reasons).toEqual(["connect"]);
  });

  test("resume_rejected drops the resume token and connects with a fresh token, at once within the window", async () => {
    const { engine, clock, socket, reasons } = withTokens(["t1", "t2"]);
    engine.start();
    await settle(clock);
    socket().accept({ windowMs: 0 });
    clock.advance(6_000);
    socket().drop();
    clock.advance(0);
    socket().open();
    socket().send(goodbye(106, "resume_rejected"));
    clock.advance(0);
    await settle(clock);
    socket().open();
    const frame = socket().takeOne("connect");
    expect([frame.token, frame.resume]).toEqual(["t2", undefined]);
    expect(reasons).toEqual(["connect", "rejected"]);
  });

  test("token_expired asks for a fresh one and keeps the session; again and again it backs off", async () => {
    const { engine, clock, socket, sockets, reasons, random } = withTokens([]);
    random.value = 0.9;
    engine.start();
    await settle(clock);
    socket().accept({ windowMs: 0 });
    clock.advance(6_000);
    socket().send(goodbye(105, "token_expired"));
    clock.advance(0);
    await settle(clock);
    socket().open();
    expect(socket().takeOne("connect")).toMatchObject({ token: "more", resume: "r1" });
    expect(reasons).toEqual(["connect", "expired"]);
    socket().send(goodbye(105, "token_expired"));
    clock.advance(100);
    await settle(clock);
    expect(sockets).toHaveLength(2);
    clock.advance(900);
    await settle(clock);
    expect(sockets).toHaveLength(3);
  });

  test("a token is refreshed well before it expires, without a new connection, and again by the life that the node tells", async () => {
    const { engine, clock, socket, sockets, reasons } = withTokens(["t1", "t2", "t3"]);
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 100_000, pingMs: 600_000 });
    clock.advance(49_999);
    await settle(clock);
    expect(reasons).toEqual(["connect"]);
    clock.advance(1);
    await settle(clock);
    const frame = socket().takeOne("refresh");
    expect(frame.token).toBe("t2");
    socket().send({ t: "ok", id: frame.id, d: { expiresMs: 10_000 } });
    clock.advance(5_000);
    await settle(clock);
    expect(socket().takeOne("refresh").token).toBe("t3");
    expect(sockets).toHaveLength(1);
    expect(reasons).toEqual(["connect", "refresh", "refresh"]);
  });

  test("a refresh that fails is tried again, and told", async () => {
    const { engine, clock, socket, errors, states } = withTokens(["t1", new Error("down"), "t3"]);
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 100_000, pingMs: 600_000 });
    clock.advance(50_000);
    await settle(clock);
    expect(errors).toHaveLength(1);
    clock.advance(2_000);
    await settle(clock);
    const frame = socket().takeOne("refresh");
    socket().send({ t: "err", id: frame.id, code: 101, name: "try_later", msg: "no" });
    expect(errors).toMatchObject([{}, { code: "try_later", number: 101, retry: "backoff" }]);
    expect(states).toEqual(["connected connected"]);
    clock.advance(4_000);
    await settle(clock);
    expect(socket().takeOne("refresh").token).toBe("more");
  });

  test("a refresh that fails again and again is tried after longer and longer times", async () => {
    const calledMs: number[] = [];
    const getToken = () => {
      calledMs.push(clock.nowMs());
      if (calledMs.length > 1) throw new Error("down");
      return "t1";
    };
    const { engine, clock, socket } = start({ getToken });
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 400_000, pingMs: 6_000_000 });
    clock.advance(300_000);
    for (let seconds = 0; seconds < 70; seconds += 0.5) {
      await settle(clock);
      clock.advance(500);
    }
    const delays = calledMs.slice(2).map((ms, index) => ms - (calledMs[index + 1] ?? 0));
    expect(delays).toEqual([1_500, 3_000, 6_000, 12_000, 22_500, 22_500]);
  });

  test("a refresh that a lost connection never answered is planned anew on the next one", async () => {
    const { engine, clock, socket, errors, states } = withTokens(["t1", "t2", "t3"]);
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 100_000, pingMs: 600_000, windowMs: 0 });
    clock.advance(50_000);
    await settle(clock);
    socket().takeOne("refresh");
    socket().drop();
    clock.advance(0);
    socket().accept({ expiresMs: 50_000, pingMs: 600_000, resumed: true });
    socket().take();
    clock.advance(0);
    await settle(clock);
    expect(socket().takeOne("refresh").token).toBe("t3");
    expect([errors, states.at(-1)]).toEqual([[], "connected resumed"]);
  });

  test("a token that comes after the connection was replaced is not for the next one, nor is its failure told", async () => {
    for (const token of ["late", new Error("down")]) {
      const late = Promise.withResolvers<string>();
      const tokens = [Promise.resolve("t1"), late.promise];
      const getToken = () => tokens.shift() ?? "more";
      const { engine, clock, socket, errors } = start({ getToken });
      engine.start();
      await settle(clock);
      socket().accept({ expiresMs: 100_000, pingMs: 600_000, windowMs: 0 });
      clock.advance(50_000);
      await settle(clock);
      socket().drop();
      clock.advance(0);
      // This node says that the session's token has no end any more.
      const next = socket();
      next.accept({ pingMs: 600_000, resumed: true });
      next.take();
      if (typeof token === "string") late.resolve(token);
      else late.reject(token);
      await settle(clock);
      clock.advance(20_000);
      await settle(clock);
      expect([next.take(), errors]).toEqual([[], []]);
    }
  });

  test("a token that comes while there is no connection is not used, and the next connection plans its own", async () => {
    const late = Promise.withResolvers<string>();
    const tokens = [Promise.resolve("t1"), late.promise];
    const { engine, clock, socket, errors } = start({ getToken: () => tokens.shift() ?? "more" });
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 100_000, pingMs: 600_000 });
    clock.advance(50_000);
    await settle(clock);
    socket().drop();
    late.resolve("late");
    await settle(clock);
    clock.advance(1_000);
    socket().accept({ expiresMs: 40_000, pingMs: 600_000, resumed: true });
    socket().take();
    clock.advance(0);
    await settle(clock);
    expect([socket().takeOne("refresh").token, errors]).toEqual(["more", []]);
  });

  test("a token that does not come after close() is told to nobody, and not asked for again", async () => {
    const late = Promise.withResolvers<string>();
    const tokens = [Promise.resolve("t1"), late.promise];
    const { engine, clock, socket, errors } = start({ getToken: () => tokens.shift() ?? "more" });
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 100_000, pingMs: 600_000 });
    clock.advance(50_000);
    await settle(clock);
    engine.close();
    socket().drop(1000);
    late.reject(new Error("down"));
    await settle(clock);
    expect([errors, clock.waiting()]).toEqual([[], 0]);
  });

  test("a hint while a token is fetched asks for no second one", async () => {
    const answers = [Promise.reject(new Error("down")), Promise.withResolvers<string>().promise];
    const reasons: string[] = [];
    const getToken = ({ reason }: { readonly reason: string }) => {
      reasons.push(reason);
      return answers[reasons.length - 1] ?? "more";
    };
    const { engine, clock } = start({ getToken });
    engine.start();
    await settle(clock);
    clock.advance(1_000);
    clock.advance(2_000);
    engine.hint("back");
    clock.advance(2_000);
    await settle(clock);
    expect(reasons).toEqual(["connect", "connect"]);
  });

  test("a token that has no end any more is not refreshed", async () => {
    const { engine, clock, socket, reasons } = withTokens(["t1"]);
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 100_000, pingMs: 600_000, windowMs: 0 });
    socket().drop();
    clock.advance(1_000);
    socket().accept({ pingMs: 600_000, resumed: true });
    for (let step = 0; step < 10; step++) {
      clock.advance(10_000);
      socket().send({ t: "pong", id: 1, time: 0, windowMs: 0 });
      await settle(clock);
    }
    expect(reasons).toEqual(["connect"]);
  });

  test("a refresh that the node refuses for the moment is repeated when the node says", async () => {
    const { engine, clock, socket, states } = withTokens(["t1", "t2", "t3"]);
    engine.start();
    await settle(clock);
    socket().accept({ expiresMs: 3_600_000, pingMs: 6_000_000 });
    clock.advance(2_700_000);
    await settle(clock);
    const { id } = socket().takeOne("refresh");
    socket().send({ t: "err", id, code: 101, name: "try_later", msg: "", retryMs: 60_000 });
    clock.advance(60_000);
    await settle(clock);
    expect(socket().take()).toEqual([]);
    clock.advance(2_000);
    await settle(clock);
    expect(socket().takeOne("refresh").token).toBe("t3");
    expect(states).toEqual(["connected connected"]);
  });

  test.each([
    [60_000, 30_000],
    [120_000, 60_000],
    [300_000, 210_000],
    [3_600_000, 2_880_000],
  ])(
    "a token of %d ms is refreshed after %d ms at most: a hidden page's timers run once a minute",
    async (expiresMs, latestMs) => {
      const { engine, clock, socket, reasons, random } = withTokens(["t1"]);
      random.value = 0.999;
      engine.start();
      await settle(clock);
      socket().accept({ expiresMs, pingMs: 6_000_000 });
      clock.advance(latestMs * 0.95);
      await settle(clock);
      expect(reasons).toEqual(["connect"]);
      clock.advance(latestMs * 0.05);
      await settle(clock);
      expect(reasons).toEqual(["connect", "refresh"]);
    },
  );

  test.each([
    [151, "token_invalid"],
    [152, "unauthorized"],
  ])("%d %s: a fresh token is tried once; refused as well it is the end", async (code, name) => {
    const { engine, clock, socket, sockets, reasons, states, random } = withTokens([]);
    random.value = 0;
    engine.start();
    await settle(clock);
    socket().open();
    socket().send(goodbye(code, name));
    clock.advance(0);
    await settle(clock);
    expect(reasons).toEqual(["connect", "rejected"]);
    socket().open();
    socket().send(goodbye(code, name));
    expect(states).toEqual([`failed ${name}`]);
    clock.advance(600_000);
    await settle(clock);
    expect(sockets).toHaveLength(2);
  });

  test("a fresh token that is accepted goes on, and a later refusal asks for another", async () => {
    const { engine, clock, socket, reasons, states } = withTokens([]);
    engine.start();
    await settle(clock);
    for (let round = 0; round < 3; round++) {
      socket().accept({ windowMs: 0 });
      clock.advance(6_000);
      socket().send(goodbye(151, "token_invalid"));
      clock.advance(0);
      await settle(clock);
    }
    expect(reasons).toEqual(["connect", "rejected", "rejected", "rejected"]);
    expect(states.at(-1)).toBe("reconnecting token_invalid");
  });

  test("getToken that rejects is retried with backoff and told", async () => {
    const { engine, clock, sockets, errors, reasons } = withTokens([
      new Error("down"),
      new Error("down"),
      "t",
    ]);
    engine.start();
    await settle(clock);
    expect(sockets).toHaveLength(0);
    clock.advance(500);
    await settle(clock);
    clock.advance(1_000);
    await settle(clock);
    expect(sockets).toHaveLength(1);
    expect(errors).toHaveLength(2);
    expect(reasons).toEqual(["connect", "connect", "connect"]);
  });

  test.each([
    ["permanent: true", Object.assign(new Error("logged out"), { permanent: true })],
    ["a HoldfastError that must not be repeated", new HoldfastError("unauthorized", "logged out")],
  ])("a permanent rejection ends the client: %s", async (_name, error) => {
    const { engine, clock, states, changes } = withTokens([error]);
    engine.start();
    await settle(clock);
    expect(states.at(-1)).toStartWith("failed");
    expect(changes.at(-1)?.error).toBeInstanceOf(HoldfastError);
    expect(clock.waiting()).toBe(0);
  });

  test("getToken that rejects again and again is asked after longer and longer times", async () => {
    const calledMs: number[] = [];
    const getToken = () => {
      calledMs.push(clock.nowMs());
      throw new Error("down");
    };
    const { engine, clock } = start({ getToken });
    engine.start();
    for (let ms = 0; ms < 8_000; ms += 100) {
      await settle(clock);
      clock.advance(100);
    }
    // Half of 1, 2, 4 and 8 s.
    expect(calledMs).toEqual([0, 500, 1_500, 3_500, 7_500]);
  });

  test.each(["", 5, undefined])(
    "getToken that gives %p ends the client: asking again is in vain",
    async (token) => {
      const { engine, clock, states, sockets } = start({ getToken: () => token as string });
      engine.start();
      await settle(clock);
      expect([sockets.length, states]).toEqual([0, ["failed unauthorized"]]);
    },
  );

  test("getToken that never settles is given up after 30 s", async () => {
    const { engine, clock, errors } = start({ getToken: () => new Promise<string>(() => {}) });
    engine.start();
    clock.advance(30_000);
    await settle(clock);
    expect(errors).toMatchObject([{ code: "timeout" }]);
  });

  test("a client that is closed while getToken runs opens nothing", async () => {
    const { engine, clock, sockets } = withTokens(["t"]);
    engine.start();
    engine.close();
    await settle(clock);
    clock.advance(60_000);
    expect(sockets).toHaveLength(0);
  });
});

test("the time of the token counts from when the node told it, not from when the move ended", async () => {
  const reasons: string[] = [];
  const getToken = ({ reason }: { readonly reason: string }) => {
    reasons.push(reason);
    return "t";
  };
  const { engine, clock, sockets, subscribe } = start({ getToken });
  engine.start();
  await settle(clock);
  sockets[0]?.accept({ resume: "r", pingMs: 6_000_000, expiresMs: 400_000 });
  subscribe("a");
  sockets[0]?.subscribed("a", {});
  clock.advance(100_000);
  sockets[0]?.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
  sockets[1]?.accept({ resumed: true, pingMs: 6_000_000, expiresMs: 300_000 });
  // The second connection is caught up 9 s after the node told the time that the token has left.
  clock.advance(9_000);
  sockets[1]?.subscribed("a", { recovered: true });
  await settle(clock);
  // 75 % of 400 s, of which 109 s are over.
  clock.advance(190_999);
  await settle(clock);
  expect(reasons).toEqual(["connect"]);
  clock.advance(1);
  await settle(clock);
  expect(reasons).toEqual(["connect", "refresh"]);
});

test("a token that is refused during a move ends both connections, and the next one asks for everything", async () => {
  const { engine, clock, sockets, subscribe } = start({ getToken: () => "t" });
  engine.start();
  await settle(clock);
  sockets[0]?.accept({ windowMs: 0 });
  // No answer has come yet, so that only one connection at a time is asked.
  subscribe("b");
  clock.advance(6_000);
  sockets[0]?.send({ t: "migrate", reason: "drain", deadlineMs: 30_000 });
  sockets[1]?.open();
  sockets[0]?.send(goodbye(151, "token_invalid"));
  expect(sockets[1]?.closed).toBeDefined();
  clock.advance(0);
  await settle(clock);
  expect(sockets[2]?.accept()).toMatchObject([{ t: "connect", token: "t" }, { ch: "b" }]);
});
