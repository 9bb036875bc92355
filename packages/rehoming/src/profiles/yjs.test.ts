import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import * as Y from "yjs";
import { patience } from "../../../../test/patience.ts";
import type { Frame } from "../frame.ts";
import { type Backend, World } from "../testing/world.ts";
import { runYjs } from "../testing/yjs-world.ts";
import { joined, Lib0Reader, sized } from "./lib0.ts";
import { yjsProfile } from "./yjs.ts";

const text = (value: string): Uint8Array => sized(new TextEncoder().encode(value));
const [SYNC, AWARENESS, AUTH, STATELESS, CLOSE, STATUS] = [0, 1, 2, 5, 7, 8];
const [STEP_1, STEP_2, UPDATE] = [0, 1, 2];

/** A world whose servers do what a test says. */
function world(
  dialect: "y-websocket" | "hocuspocus",
  server: (home: number) => Backend = () => ({ received: () => {} }),
  more: {
    readonly unacknowledgedBytesMax?: number;
    readonly profile?: ReturnType<typeof yjsProfile>;
  } = {},
): World {
  let homes = 0;
  const { profile = yjsProfile({ dialect, ...more }) } = more;
  return new World({
    ...{ profile, random: createSeededRandom(1) },
    backend: () => server(homes++),
    fate: () => ({ opens: "well", delayMs: 2 }),
  });
}
function send(one: World, ...frames: readonly Frame[]): void {
  for (const frame of frames) one.fromClient(frame);
  one.clock.advance(20);
}
function drain(one: World): readonly Frame[] {
  const before = one.homes.length;
  one.held.move("drain", 5000);
  one.clock.advance(100);
  return one.homes[before]?.received ?? [];
}
const frames = (...all: readonly Frame[]): string[] =>
  all.map((frame) => Buffer.from(frame as Uint8Array).toString("hex"));
const hex = (all: readonly Frame[]): string[] => frames(...all);

const vector = (...clocks: readonly (readonly [number, number])[]): Uint8Array =>
  joined(clocks.length, ...clocks.flat());
const step1 = (of: Uint8Array): Uint8Array => joined(SYNC, STEP_1, sized(of));
const step2 = joined(SYNC, STEP_2, sized(new Uint8Array([0, 0])));
const present = (id: number, clock: number, state: unknown): Uint8Array =>
  joined(AWARENESS, sized(joined(1, id, clock, text(JSON.stringify(state)))));

test("the next server is asked for what the client lacked, and told who it is", () => {
  const one = world("y-websocket");
  send(
    one,
    step1(vector([1, 5])),
    present(7, 0, { name: "a" }),
    joined(SYNC, UPDATE, sized(new Uint8Array(3))),
  );
  expect(hex(drain(one))).toEqual(frames(step1(vector([1, 5])), present(7, 1, { name: "a" })));
  // The client is told that it was said to be gone: it raises its clock, as the gateway did.
  expect(hex(one.got)).toEqual(frames(present(7, 0, null)));
});

test("what a server had, and told the client, is not asked for again", () => {
  const one = world("y-websocket", () => ({
    opened: (send) => send(step1(vector([1, 9], [2, 3]))),
    received: (_, send) => send(step2),
  }));
  send(one, step1(vector([1, 2], [4, 4])));
  const [asked] = drain(one);
  const reader = new Lib0Reader(asked as Uint8Array, 2);
  expect(Y.decodeStateVector(reader.bytes())).toEqual(
    new Map([
      [1, 9],
      [4, 4],
      [2, 3],
    ]),
  );
  // A server that told nothing is not believed to have told what it has.
  const silent = world("y-websocket", () => ({
    opened: (send) => send(step1(vector([1, 9]))),
    received: () => {},
  }));
  send(silent, step1(vector([1, 2])));
  expect(hex(drain(silent))).toEqual(frames(step1(vector([1, 2]))));
});

test("a state vector that is too long is not kept: everything is asked for", () => {
  const one = world("y-websocket");
  send(one, step1(vector(...Array.from({ length: 30_000 }, (_, i) => [i, 1] as const))));
  expect(one.roomTaken).toBeLessThan(1000);
  expect(hex(drain(one))).toEqual(frames(step1(vector())));
});

test("a client that raised its clock itself, at the same time, is believed by the next server", () => {
  const one = world("y-websocket");
  send(one, present(7, 3, { at: 1 }));
  drain(one);
  const [, next] = one.homes;
  send(one, present(7, 4, { at: 2 }), present(7, 6, { at: 3 }));
  expect(hex(next?.received ?? [])).toEqual(
    frames(present(7, 4, { at: 1 }), present(7, 5, { at: 2 }), present(7, 6, { at: 3 })),
  );
  expect(hex(one.got)).toEqual(frames(present(7, 3, null), present(7, 4, null)));
  send(one, present(7, 6, { at: 3 }));
  expect(hex(next?.received.slice(-1) ?? [])).toEqual(frames(present(7, 6, { at: 3 })));
});

test("presence does not flicker: whoever is behind this gateway is not said to be gone", () => {
  const profile = yjsProfile({ dialect: "y-websocket" });
  const gone = joined(AWARENESS, sized(joined(2, 7, 0, text("null"), 8, 0, text("null"))));
  const server = (): Backend => ({ received: (frame, send) => frame === "go" && send(gone) });
  const [a, b] = [
    world("y-websocket", server, { profile }),
    world("y-websocket", server, { profile }),
  ];
  send(a, present(7, 0, {}));
  send(b, "go");
  expect(hex(b.got)).toEqual(frames(joined(AWARENESS, sized(joined(1, 8, 0, text("null"))))));
  // Its own absence is the client's to deny.
  send(a, "go");
  expect(hex(a.got)).toEqual(frames(gone));
  // It says itself that it leaves, or is gone for good.
  send(a, present(7, 1, null));
  send(b, "go");
  expect(hex(b.got.slice(1))).toEqual(frames(gone));
  send(a, present(7, 2, {}));
  a.held.clientClosed(1000, "");
  send(b, "go");
  expect(hex(b.got.slice(2))).toEqual(frames(gone));
  expect(drain(b)).toEqual([]);
});

test("a client that repeats what it heard of others is not taken for them", () => {
  const one = world("y-websocket", () => ({
    opened: (send) => send(present(9, 5, { name: "other" })),
    received: () => {},
  }));
  one.clock.advance(10);
  send(one, present(9, 5, { name: "other" }), present(7, 0, { name: "own" }));
  expect(hex(drain(one))).toEqual(frames(present(7, 1, { name: "own" })));
});

test("a client that comes back is known by its hello, also if its server still knows it", () => {
  const one = world("y-websocket", () => ({
    opened: (send) => send(present(7, 5, { name: "own, before" })),
    received: () => {},
  }));
  one.clock.advance(10);
  send(one, step1(vector()), present(7, 6, { name: "own" }));
  expect(hex(drain(one))).toEqual(frames(step1(vector()), present(7, 7, { name: "own" })));
  // What follows anything else may be of others.
  const other = world("y-websocket", () => ({
    opened: (send) => send(present(9, 5, { name: "other" })),
    received: () => {},
  }));
  other.clock.advance(10);
  send(other, step1(vector()), step2, present(9, 5, { name: "other" }), step1(vector()));
  send(other, present(9, 6, { name: "other" }));
  expect(hex(drain(other))).toEqual(frames(step1(vector())));
});

test("G4: in a room of many, a client that says late who it is says it itself after a move", () => {
  const many = joined(
    AWARENESS,
    sized(joined(300, ...Array.from({ length: 300 }, (_, i) => [i, 1, text("{}")]).flat())),
  );
  const one = world("y-websocket", () => ({ opened: (send) => send(many), received: () => {} }));
  one.clock.advance(10);
  expect(one.roomTaken).toBeLessThan(1000);
  send(one, present(7, 0, {}), present(700, 0, {}));
  expect(drain(one)).toEqual([]);
});

const name = (document: string): Uint8Array => text(document);
const of = (document: string, ...parts: readonly (number | Uint8Array)[]): Uint8Array =>
  joined(name(document), ...parts);
const login = (document: string, token = "t"): Uint8Array => of(document, AUTH, 0, text(token));
const granted = (document: string, scope = "read-write"): Uint8Array =>
  of(document, AUTH, 2, text(scope));
const denied = (document: string): Uint8Array => of(document, AUTH, 1, text("no"));
const update = (document: string, size = 3): Uint8Array =>
  of(document, SYNC, UPDATE, sized(new Uint8Array(size)));
const status = (document: string, applied = 1): Uint8Array => of(document, STATUS, applied);

type Send = (frame: Frame) => void;
/** Grants logins, and acknowledges updates if it is told to. */
const answers =
  ({ acknowledges = true, scope = "read-write", denies = [] as readonly number[] } = {}) =>
  (home: number, frame: Frame, send: Send): void => {
    const body = new Lib0Reader(frame as Uint8Array);
    const document = new TextDecoder().decode(body.bytes());
    const [type, kind] = [body.uint(), body.uint()];
    const grant = granted(document, home === 0 ? "read-write" : scope);
    if (type === AUTH) send(denies.includes(home) ? denied(document) : grant);
    if (type === SYNC && kind === STEP_1) send(of(document, step1(vector())));
    if (type === SYNC && kind !== STEP_1 && acknowledges) send(status(document));
  };
const hocuspocus =
  (options: Parameters<typeof answers>[0] = {}) =>
  (home: number): Backend => ({
    received: (frame, send) => answers(options)(home, frame, send),
  });

test("each document's login is replayed before the former server is left, and its answer swallowed", () => {
  const one = world("hocuspocus", hocuspocus());
  send(one, login("a"), of("a", step1(vector())), login("b", "u"), of("a", step2), update("b"));
  const received = drain(one);
  expect(hex(received)).toEqual(frames(login("a"), login("b", "u"), of("a", step1(vector()))));
  expect(hex(one.got.filter((frame) => (frame as Uint8Array)[2] === AUTH))).toEqual(
    frames(granted("a"), granted("b")),
  );
});

test("a scope that changed is told, and so is an answer that the client still waits for", () => {
  const readOnly = world("hocuspocus", hocuspocus({ scope: "readonly" }));
  send(readOnly, login("a"));
  drain(readOnly);
  expect(hex(readOnly.got)).toEqual(frames(granted("a"), granted("a", "readonly")));
  // The first server never answered.
  const waiting = world("hocuspocus", (home) =>
    home === 0 ? { received: () => {} } : hocuspocus()(home),
  );
  send(waiting, login("a"));
  waiting.kill();
  waiting.clock.advance(100);
  expect(hex(waiting.got)).toEqual(frames(granted("a")));
});

test("one server that refuses a login is passed over; two close the client, which brings a new token", () => {
  const one = world("hocuspocus", hocuspocus({ denies: [1] }));
  send(one, login("a"));
  drain(one);
  one.clock.advance(1000);
  expect([one.closed, one.held.home, one.moves.length]).toEqual([undefined, 2, 1]);
  const two = world("hocuspocus", hocuspocus({ denies: [1, 2] }));
  send(two, login("a"));
  drain(two);
  two.clock.advance(1000);
  expect(two.closed?.code).toBe(1012);
  // A client's own login that is refused is its own to hear of, and forgotten.
  const three = world("hocuspocus", hocuspocus({ denies: [0] }));
  send(three, login("a"));
  expect([hex(three.got), hex(drain(three))]).toEqual([frames(denied("a")), []]);
});

test("updates without an acknowledgement are sent again, and acknowledged once", () => {
  const one = world("hocuspocus", (home) => hocuspocus({ acknowledges: home > 0 })(home));
  send(one, login("a"), of("a", step1(vector())));
  send(one, of("a", step2), update("a", 5), update("a", 6));
  one.got.length = 0;
  const again = drain(one).slice(1, 4);
  expect(hex(again)).toEqual(frames(of("a", step2), update("a", 5), update("a", 6)));
  // The client answers the server's question, which the gateway had caused: nobody counts that.
  send(one, of("a", step2));
  expect(hex(one.got.filter((frame) => (frame as Uint8Array)[2] === STATUS))).toEqual(
    frames(status("a"), status("a"), status("a")),
  );
});

test("G4: updates beyond the limit are dropped, come with the next server's question, and count then", () => {
  const one = world("hocuspocus", (home) => hocuspocus({ acknowledges: home > 0 })(home), {
    unacknowledgedBytesMax: 1000,
  });
  send(one, login("a"), of("a", step1(vector())));
  send(one, of("a", step2));
  for (let i = 0; i < 50; i++) send(one, update("a", 400));
  expect(one.roomTaken).toBeLessThan(6000);
  one.got.length = 0;
  expect(drain(one).filter((frame) => frame.length > 400).length).toBe(2);
  const statuses = (): number =>
    one.got.filter((frame) => (frame as Uint8Array)[2] === STATUS).length;
  expect(statuses()).toBe(2);
  send(one, of("a", step2));
  // 50 updates, and the client's own answer at the beginning.
  expect(statuses()).toBe(51);
});

test("documents that the client opens or closes during a move are opened or closed after it", () => {
  const one = world("hocuspocus", (home) => {
    // The next server takes its time.
    if (home === 0) return hocuspocus()(home);
    return {
      received: (frame, send) => void one.clock.after(50, () => answers()(home, frame, send)),
    };
  });
  send(one, login("a"), login("b"));
  one.held.move("drain", 5000);
  one.clock.advance(10);
  send(one, login("c"), of("b", CLOSE));
  one.got.length = 0;
  one.clock.advance(200);
  expect(hex(one.homes[1]?.received ?? [])).toEqual(
    frames(login("a"), login("b"), login("c"), of("b", CLOSE)),
  );
  expect(one.got).toEqual([]);
});

test("a server that ends closes its documents first: the client does not hear of it, and moves", () => {
  const closed = (document: string, why: string): Uint8Array => of(document, CLOSE, text(why));
  const one = world("hocuspocus", (home) => ({
    received(frame, send) {
      if (frame === "end") send(closed("a", "Reset Connection"));
      else if (frame === "kick") send(closed("a", "You are out"));
      else answers()(home, frame, send);
    },
  }));
  send(one, login("a"));
  send(one, "end");
  one.clock.advance(100);
  expect([one.held.home, hex(one.got)]).toEqual([1, frames(granted("a"))]);
  // The application's own word is the client's to hear.
  send(one, "kick");
  expect(hex(one.got.slice(1))).toEqual(frames(closed("a", "You are out")));
  expect(drain(one)).toEqual([]);
});

test.each([4205, 4408])(
  "a server that closes with %p goes; other codes are the application's",
  (code) => {
    const one = world("hocuspocus");
    one.clock.advance(5);
    one.closeHome(code);
    one.clock.advance(100);
    expect([one.closed, one.held.home]).toEqual([undefined, 1]);
    one.closeHome(4403);
    one.clock.advance(100);
    expect(one.closed?.code).toBe(4403);
  },
);

test("stateless messages pass, also what the next server says before it is the current one", () => {
  const stateless = of("a", STATELESS, text("hello"));
  const one = world("hocuspocus", (home) => {
    if (home === 0) return hocuspocus()(home);
    return {
      received(frame, send) {
        send(stateless);
        answers()(home, frame, send);
      },
    };
  });
  send(one, login("a"));
  drain(one);
  expect(hex(one.got)).toEqual(frames(granted("a"), stateless));
});

test.each(["y-websocket", "hocuspocus"] as const)("what is no message passes: %s", (dialect) => {
  const one = world(dialect, () => ({ received: (frame, send) => send(frame) }));
  const broken = [
    ...["", "text", new Uint8Array(), new Uint8Array([0]), new Uint8Array([255, 255, 255, 255])],
    ...[new Uint8Array([0, 0, 200]), new Uint8Array([1, 5, 255]), new Uint8Array([1, 97, 0, 0, 9])],
    ...[
      new Uint8Array([1, 97, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255]),
      joined(AWARENESS, sized(joined(1e9))),
    ],
  ];
  send(one, ...broken);
  expect(one.homes[0]?.received).toEqual(broken);
  expect(one.got).toEqual(broken);
  expect(one.closed).toBeUndefined();
});

test("10,000 mutated messages throw nothing", () => {
  const random = createSeededRandom(5);
  const seeds = [
    step1(vector([1, 5])),
    present(7, 0, { a: 1 }),
    login("a"),
    update("a"),
    status("a"),
    denied("a"),
  ];
  for (const dialect of ["y-websocket", "hocuspocus"] as const) {
    const one = world(dialect, () => ({ received: (frame, send) => send(frame) }));
    for (let i = 0; i < 5000; i++) {
      const frame = new Uint8Array(random.pick(seeds));
      for (let changes = random.int(3); changes >= 0; changes--)
        frame[random.int(frame.length)] = random.int(256);
      one.fromClient(frame.subarray(0, 1 + random.int(frame.length)));
      if (i % 100 === 0) one.held.move("drain", 1000);
      one.clock.advance(random.int(5));
      one.got.length = 0;
    }
  }
});

test.each(["y-websocket", "hocuspocus"] as const)(
  "120 seeds of real documents behind %s servers that drain, die and end: all are equal, nobody flickers",
  (dialect) => {
    let moves = 0;
    for (let seed = 1; seed <= 120; seed++) {
      const profile = yjsProfile({
        dialect,
        unacknowledgedBytesMax: seed % 3 === 0 ? 500 : 65_536,
      });
      const one = { seed, dialect, isCalm: seed % 2 === 0, hasBus: seed % 4 < 2 };
      const result = runYjs(one, profile);
      expect({ ...one, wrongs: result.wrongs }).toEqual({ ...one, wrongs: [] });
      moves += result.moves;
    }
    expect(moves).toBeGreaterThan(500);
  },
  patience(60_000),
);
