import { expect, test } from "bun:test";
import type { Identity } from "@holdfast/contract";
import { createManualClock, HandLink, TEST_SETTINGS } from "@holdfast/testkit";
import type { DoorCodec } from "../door.ts";
import { Connection, type Flusher } from "./connection.ts";
import { HeldBytes } from "./held-bytes.ts";
import { Sessions, type SessionsNeeds } from "./sessions.ts";

/** Sessions of a node whose channels and presence only note what they are told. */
function stage(onDisconnect?: (...args: readonly unknown[]) => void) {
  const clock = createManualClock({ startMs: 7000 });
  const ended: unknown[] = [];
  const left: unknown[] = [];
  const gone: Connection[] = [];
  const heldBytes = new HeldBytes();
  const parts = {
    clock,
    heldBytes,
    contract: { hooks: onDisconnect === undefined ? {} : { onDisconnect } },
    contexts: { of: () => undefined },
    felt: { began() {}, ended() {} },
    keptBytes: { entered() {} },
    observer: { ended: (session: unknown) => void ended.push(session), bug() {} },
    hubs: { get: () => undefined, release() {} },
    presenceKeeper: {
      leave: (channel: string, _connection: Connection, graceMs: number) =>
        void left.push([channel, graceMs]),
    },
    settings: () => TEST_SETTINGS,
    background: (_what: string, work: Promise<unknown>) => void work,
  } as unknown as SessionsNeeds;
  const sessions = new Sessions(() => parts);
  sessions.onEnded = [{ ended: (connection) => void gone.push(connection) }];
  const pressed = (connection: Connection): void => sessions.end(connection, "internal");
  const flusher = { add() {}, charge() {}, pressed } as unknown as Flusher;
  const codec = { encode: ({ t }: { t: string }) => t } as unknown as DoorCodec;
  const open = (address = "10.0.0.1") => {
    const link = new HandLink(address);
    const connection = new Connection({
      link,
      codec,
      codecNumber: 0,
      owner: "o",
      nowMs: clock.nowMs(),
      flusher,
    });
    sessions.add(connection);
    return { link, connection };
  };
  const connect = (session: string, identity: Identity = {}, address?: string) => {
    const opened = open(address);
    opened.connection.identity = identity;
    opened.connection.session = session;
    sessions.establish(opened.connection);
    return opened;
  };
  return { clock, sessions, heldBytes, ended, left, gone, open, connect };
}

test("connections are counted by address, and as opening until they have their session", () => {
  const { sessions, open, connect, gone } = stage();
  const [one, two] = [open(), open()];
  expect([sessions.opening, sessions.ofAddress("10.0.0.1"), sessions.addresses]).toEqual([2, 2, 1]);
  one.connection.session = "s1";
  sessions.establish(one.connection);
  expect([sessions.opening, sessions.count]).toEqual([1, 1]);
  expect(sessions.oldestSilent()).toBe(two.connection);
  sessions.gone(two.connection);
  sessions.gone(two.connection);
  expect([sessions.opening, sessions.ofAddress("10.0.0.1"), sessions.addresses]).toEqual([0, 1, 1]);
  expect(sessions.oldestSilent()).toBeUndefined();
  sessions.gone(one.connection);
  expect([sessions.opening, sessions.count, sessions.addresses]).toEqual([0, 0, 0]);
  expect(sessions.connections.size).toBe(0);
  expect(gone).toEqual([two.connection, one.connection]);
  expect(connect("s1").connection.phase).toBe("open");
});

test("of handshakes under way, the address with the most gives its oldest that said nothing", () => {
  const { sessions, open } = stage();
  open("10.0.0.1");
  const [asked, silent, third] = [open("10.0.0.2"), open("10.0.0.2"), open("10.0.0.2")];
  asked.connection.phase = "checking";
  expect(sessions.oldestSilent()).toBe(silent.connection);
  silent.connection.phase = "checking";
  third.connection.phase = "checking";
  expect(sessions.oldestSilent()).toBe(asked.connection);
  sessions.gone(asked.connection);
  sessions.gone(silent.connection);
  sessions.gone(third.connection);
  expect(sessions.oldestSilent()?.link.address).toBe("10.0.0.1");
});

test("a user's connections are found as long as they last; who is anonymous is no user", () => {
  const { sessions, connect } = stage();
  const [one, two] = [connect("s1", { user: "ada" }), connect("s2", { user: "ada" })];
  connect("s3");
  expect([...sessions.ofUser("ada")]).toEqual([one.connection, two.connection]);
  expect(sessions.ofUser("undefined").size).toBe(0);
  sessions.gone(one.connection);
  expect([...sessions.ofUser("ada")]).toEqual([two.connection]);
  sessions.gone(two.connection);
  expect(sessions.ofUser("ada").size).toBe(0);
});

test("what a connection holds is its address's until it has a user", () => {
  const { sessions, heldBytes, open } = stage();
  const { connection } = open();
  expect(heldBytes.charge(connection, 100)).toBe(true);
  expect(heldBytes.of("a:10.0.0.1")).toBe(100);
  connection.identity = { user: "ada" };
  sessions.establish(connection);
  expect([heldBytes.of("a:10.0.0.1"), heldBytes.of("u:ada")]).toEqual([0, 100]);
  sessions.gone(connection);
  expect([heldBytes.total, heldBytes.parties]).toEqual([0, 0]);
});

test("a session ends when its token does by the wall clock, however far or corrected that is", () => {
  const { clock, connect } = stage();
  const inMs = (ms: number) => ({ expiresAtMs: clock.wallMs() + ms });
  const far = connect("s2", inMs(2 ** 31 + 5000));
  // No timer of the runtime is longer.
  expect(clock.nextDueMs()).toBe(clock.nowMs() + 2 ** 31 - 1);
  const over = connect("s0", inMs(-5));
  clock.advance(0);
  expect(over.link.closedWith?.reason).toBe("token_expired");
  const [soon, corrected] = [connect("s1", inMs(1000)), connect("s3", inMs(1000))];
  clock.advance(999);
  expect(soon.link.closedWith).toBeUndefined();
  clock.jumpWall(-500);
  clock.advance(1);
  expect(corrected.link.closedWith).toBeUndefined();
  clock.advance(500);
  expect([soon, corrected].map(({ link }) => link.closedWith?.reason)).toEqual([
    "token_expired",
    "token_expired",
  ]);
  clock.advance(2 ** 31);
  expect(far.link.closedWith).toBeUndefined();
  clock.advance(5000);
  expect(far.link.closedWith?.reason).toBe("token_expired");
});

test("a token that the wall clock has overtaken is refused before its timer", () => {
  const { clock, sessions, connect } = stage();
  const { connection, link } = connect("s1", { expiresAtMs: clock.wallMs() + 1000 });
  clock.jumpWall(999);
  sessions.checkExpiry(connection);
  expect(link.closedWith).toBeUndefined();
  clock.jumpWall(1);
  expect(() => sessions.checkExpiry(connection)).toThrow("The token expired");
  expect(link.closedWith?.reason).toBe("token_expired");
});

test("a new time of expiry replaces the old one, and who is gone waits for none", () => {
  const { clock, sessions, connect } = stage();
  const { connection } = connect("s1", { expiresAtMs: clock.wallMs() + 1000 });
  connection.identity = { expiresAtMs: clock.wallMs() + 2000 };
  sessions.armExpiry(connection);
  expect(clock.waiting()).toBe(1);
  sessions.gone(connection);
  expect(clock.waiting()).toBe(0);
  const lasting = connect("s2", { expiresAtMs: clock.wallMs() + 1000 });
  lasting.connection.identity = {};
  sessions.armExpiry(lasting.connection);
  expect(clock.waiting()).toBe(0);
});

test("a peer that does not close is cut after three seconds, whoever said goodbye", () => {
  const { clock, sessions, connect } = stage();
  const [told, saying] = [connect("s1"), connect("s2")];
  sessions.end(told.connection, "draining");
  saying.connection.enqueue("pong");
  sessions.leave(saying.connection, false);
  expect([told.link.messages, saying.link.messages]).toEqual([["goodbye"], ["pong"]]);
  sessions.leave(told.connection, false);
  expect(told.connection.saidBye).toBe("no");
  expect(told.link.closedWith).toEqual({ code: 1012, reason: "draining" });
  expect(saying.link.closedWith).toEqual({ code: 1000, reason: "bye" });
  clock.advance(2999);
  expect([told.link.wasCut, saying.link.wasCut]).toEqual([false, false]);
  clock.advance(1);
  expect([told.link.wasCut, saying.link.wasCut]).toEqual([true, true]);
});

test("the end of a session is told once, with whose it was, why and how long it was connected", () => {
  const told: unknown[] = [];
  const { clock, sessions, ended, connect, open } = stage((view, why) => {
    told.push([(view as { id: string }).id, why]);
  });
  const [one, two, three, four] = [
    connect("s1", { user: "ada" }),
    connect("s2"),
    connect("s3"),
    connect("s4"),
  ];
  clock.advance(1500);
  sessions.end(one.connection, "idle_timeout");
  sessions.leave(one.connection, false);
  sessions.leave(two.connection, false);
  sessions.leave(three.connection, true);
  sessions.gone(four.connection);
  sessions.gone(open().connection);
  expect(ended).toEqual([
    { session: "s1", user: "ada", code: "idle_timeout", connectedMs: 1500 },
    { session: "s2", connectedMs: 1500 },
    { session: "s3", connectedMs: 1500 },
    { session: "s4", connectedMs: 1500 },
  ]);
  // A session that moved goes on elsewhere.
  expect(told).toEqual([
    ["s1", "idle_timeout"],
    ["s2", "left"],
    ["s4", "no"],
  ]);
});

test("who says bye and cannot be sent what waits for it ends once", () => {
  const { sessions, ended, gone, connect } = stage();
  const { connection, link } = connect("s1");
  const other = connect("s2");
  link.stalled = true;
  connection.enqueue("pong");
  sessions.leave(connection, false);
  expect(gone).toEqual([connection]);
  expect(ended).toHaveLength(1);
  expect(sessions.ofAddress(other.link.address)).toBe(1);
});

test("presence goes at once with who left or was banned, and after its grace with others", () => {
  const graceMs = TEST_SETTINGS.timeouts.presenceGraceMs;
  const { sessions, left, connect } = stage();
  const present = (session: string) => {
    const { connection } = connect(session);
    connection.entries = new Map([[session, undefined]]);
    return connection;
  };
  sessions.leave(present("left"), false);
  sessions.leave(present("moved"), true);
  sessions.end(present("banned"), "banned");
  sessions.end(present("idle"), "idle_timeout");
  sessions.gone(present("lost"));
  expect(left).toEqual([
    ["left", 0],
    ["moved", graceMs],
    ["banned", 0],
    ["idle", graceMs],
    ["lost", graceMs],
  ]);
});

test("what is not there cannot be ended, and a watch ends also where the channel is gone", () => {
  const { sessions, connect } = stage();
  const { connection } = connect("s1");
  expect(sessions.endSubscription(connection, "a")).toBe(false);
  expect(sessions.endWatch(connection, "a")).toBe(false);
  connection.watches = new Set(["a"]);
  expect(sessions.endWatch(connection, "b")).toBe(false);
  expect(sessions.endWatch(connection, "a")).toBe(true);
  expect(sessions.endWatch(connection, "a")).toBe(false);
});

test("a session's connection that ended first gives way to the older one; another's leaves it alone", () => {
  const { sessions, connect } = stage();
  const [older, newer] = [connect("s1"), connect("s1")];
  newer.connection.older = older.connection;
  expect(sessions.get("s1")).toBe(newer.connection);
  sessions.gone(newer.connection);
  expect(sessions.get("s1")).toBe(older.connection);
  expect(newer.connection.older).toBeUndefined();
  const last = connect("s1");
  last.connection.older = older.connection;
  sessions.gone(older.connection);
  expect(sessions.get("s1")).toBe(last.connection);
  sessions.gone(last.connection);
  expect(sessions.get("s1")).toBeUndefined();
  expect(sessions.count).toBe(0);
});
