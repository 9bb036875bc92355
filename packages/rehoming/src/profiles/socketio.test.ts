import { expect, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import { patience } from "../../../../test/patience.ts";
import type { Frame } from "../frame.ts";
import { runSocketIo } from "../testing/socketio-world.ts";
import { type Backend, World } from "../testing/world.ts";
import { type SocketIoRules, socketioProfile } from "./socketio.ts";
import { frameOf, packetOf } from "./socketio-packet.ts";

const OPEN = '0{"sid":"e","upgrades":[],"pingInterval":1000,"pingTimeout":500}';
type Send = (frame: Frame) => void;

/** Says hello, and gives each namespace an id; `more` has the first word. */
const server =
  (more: (frame: Frame, send: Send, home: number) => boolean | undefined = () => false) =>
  (home: number): Backend => ({
    opened: (send) => send(OPEN),
    received(frame, send) {
      if (more(frame, send, home) === true || typeof frame !== "string") return;
      const packet = packetOf(frame);
      if (packet?.type === 0) send(frameOf({ ...packet, data: `{"sid":"s${home}"}` }));
    },
  });
function world(rules: SocketIoRules = {}, of: (home: number) => Backend = server()): World {
  let homes = 0;
  const one = new World({
    ...{ profile: socketioProfile(rules), random: createSeededRandom(1) },
    backend: () => of(homes++),
    fate: () => ({ opens: "well", delayMs: 2 }),
  });
  one.clock.advance(5);
  return one;
}
function send(one: World, ...frames: readonly Frame[]): void {
  for (const frame of frames) one.fromClient(frame);
  one.clock.advance(20);
}
function drain(one: World): readonly Frame[] {
  const before = one.homes.length;
  one.held.move("drain", 5000);
  one.clock.advance(500);
  return one.homes[before]?.received ?? [];
}

test.each([
  ["40", 0, 0, "/", undefined, ""],
  ['40{"token":"t"}', 0, 0, "/", undefined, '{"token":"t"}'],
  ['40/chat,{"a":1}', 0, 0, "/chat", undefined, '{"a":1}'],
  ["41/chat,", 1, 0, "/chat", undefined, ""],
  ['42["a",1]', 2, 0, "/", undefined, '["a",1]'],
  ['4217["a"]', 2, 0, "/", 17, '["a"]'],
  ['42/chat,17["a"]', 2, 0, "/chat", 17, '["a"]'],
  [
    '452-/chat,3["a",{"_placeholder":true,"num":0}]',
    5,
    2,
    "/chat",
    3,
    '["a",{"_placeholder":true,"num":0}]',
  ],
  ['461-9["x"]', 6, 1, "/", 9, '["x"]'],
  ['44{"message":"no"}', 4, 0, "/", undefined, '{"message":"no"}'],
] as const)("%p is read and written as it was", (frame, type, attachments, namespace, id, data) => {
  expect(packetOf(frame)).toEqual({ type, attachments, namespace, id, data });
  expect(frameOf({ type, attachments, namespace, id, data })).toBe(frame);
});

test("the gateway pings the client by the server's times, and answers the server's pings", () => {
  const one = world(
    {},
    server((frame, answer) => frame === "ping me" && (answer("2"), answer("6"), true)),
  );
  expect(one.got).toEqual([OPEN]);
  send(one, "40", "ping me");
  expect(one.homes[0]?.received).toEqual(["40", "ping me", "3"]);
  one.clock.advance(3000);
  expect(one.got.filter((frame) => frame === "2").length).toBe(3);
  one.fromClient("3");
  // Also while there is no server, and without waiting for one.
  one.kill();
  one.clock.advance(2);
  one.fromClient("3");
  expect(one.roomTaken).toBeLessThan(500);
  one.clock.advance(2000);
  expect(one.homes[1]?.received).toEqual(["40"]);
});

test("namespaces are joined again with their logins once the former server is gone, and say so", () => {
  const one = world();
  send(one, '40{"token":"t"}', "40/chat,", "40/gone,", "41/gone,", '42["a"]');
  one.got.length = 0;
  expect(drain(one)).toEqual(['40{"token":"t"}', "40/chat,"]);
  expect(one.got).toEqual(['40{"sid":"s1"}', '40/chat,{"sid":"s1"}']);
  const quiet = world({ connectAgain: false });
  send(quiet, "40");
  quiet.got.length = 0;
  drain(quiet);
  expect(quiet.got).toEqual([]);
});

test("with connection state recovery the next server gets session and offset, and nothing is told", () => {
  const recovering = server((frame, answer) => {
    const packet = packetOf(String(frame));
    if (packet?.type !== 0) return false;
    const { pid, offset } = JSON.parse(packet.data);
    if (pid !== undefined) answer(`42["missed","after ${offset}","o9"]`);
    answer('40{"sid":"s","pid":"p"}');
    if (pid === undefined)
      for (const frame of ['42["x","o1"]', '421["asked","o2"]', '42["y",1]']) answer(frame);
    return true;
  });
  const one = world({}, recovering);
  send(one, '40{"token":"t"}');
  one.got.length = 0;
  expect(drain(one)).toEqual(['40{"token":"t","pid":"p","offset":"o1"}']);
  expect(one.got).toEqual(['42["missed","after o1","o9"]']);
  expect(drain(one)).toEqual(['40{"token":"t","pid":"p","offset":"o9"}']);
});

const FORGOTTEN = '40{"pid":"p0","offset":"o1"}';
/** Each server gives an id of its own, and an event with an offset. None knows another's. */
const forgetful = server((frame, answer, home) => {
  if (packetOf(String(frame))?.type !== 0) return false;
  for (const word of [`40{"sid":"s","pid":"p${home}"}`, '42["x","o1"]']) answer(word);
  return true;
});

test("a session that the next server does not know is a new one, without the former one's offset", () => {
  const one = world({}, forgetful);
  send(one, "40");
  one.got.length = 0;
  const asked = drain(one);
  one.clock.advance(200);
  // It was asked three times, and what it said in between is forgotten.
  expect(asked).toEqual([FORGOTTEN, "41", FORGOTTEN, "41", FORGOTTEN]);
  expect(one.got).toEqual(['40{"sid":"s","pid":"p1"}', '42["x","o1"]']);
  one.kill();
  one.clock.advance(100);
  // A server that died has put no session aside: nobody is asked twice.
  expect(one.homes[2]?.received).toEqual(['40{"pid":"p1","offset":"o1"}']);
});

test("a server that puts a session aside late: the next one is asked again, and nothing is told", () => {
  let asked = 0;
  const bytes = new Uint8Array([1]);
  const late = server((frame, answer, home) => {
    const packet = packetOf(String(frame));
    if (packet?.type !== 0) return false;
    if (home > 0) asked += 1;
    if (home === 0) answer('40{"sid":"s","pid":"p"}');
    else if (asked === 1)
      for (const word of ['40{"sid":"t","pid":"q"}', '42["y","o2"]', '451-["z"]']) answer(word);
    else for (const word of ['40{"sid":"s","pid":"p"}', '42["y","o2"]']) answer(word);
    if (home === 0) answer('42["x","o1"]');
    // An attachment of the namespace that was left meanwhile.
    if (asked === 1) one.clock.after(2, () => answer(bytes));
    return true;
  });
  const one = world({}, late);
  send(one, "40");
  one.got.length = 0;
  drain(one);
  expect(asked).toBe(2);
  expect(one.got).toEqual(['42["y","o2"]']);
  send(one, '42["after"]');
  expect(one.homes[1]?.received.at(-1)).toBe('42["after"]');
  expect(one.closed).toBeUndefined();
});

test("servers that share no sessions are asked once, as soon as three clients have seen it", () => {
  const profile = socketioProfile();
  const asked = Array.from({ length: 4 }, () => {
    let homes = 0;
    const one = new World({
      ...{ profile, random: createSeededRandom(1), backend: () => forgetful(homes++) },
      fate: () => ({ opens: "well", delayMs: 2 }),
    });
    one.clock.advance(5);
    send(one, "40");
    drain(one);
    one.clock.advance(200);
    return one.homes[1]?.received.filter((frame) => frame === FORGOTTEN).length;
  });
  expect(asked).toEqual([3, 3, 3, 1]);
});

test("a server that dies before it is asked for a session leaves the question to the next one", () => {
  const one = world(
    { recoverAfterMs: 100 },
    server((frame, answer, home) => {
      if (packetOf(String(frame))?.type !== 0) return false;
      // Servers that look into a database take their time.
      one.clock.after(home === 0 ? 0 : 200, () => {
        for (const word of ['40{"sid":"s","pid":"p"}', '42["x","o1"]']) answer(word);
      });
      return true;
    }),
  );
  send(one, "40");
  one.kill();
  // The second is open, and is not asked yet.
  one.clock.advance(15);
  one.kill();
  one.clock.advance(1000);
  expect(one.homes.map(({ received }) => received)).toEqual([
    ["40"],
    [],
    ['40{"pid":"p","offset":"o1"}'],
  ]);
});

test("an event without an answer is sent again if it may be, with all of it", () => {
  const one = world({ idempotent: true });
  const [a, b] = [new Uint8Array([1]), new Uint8Array([2])];
  send(one, "40", '420["answered"]', '421["x"]', '452-2["b"]', a, b, '42["no answer wanted"]');
  one.held.fromHome(0, '430["ok"]');
  one.kill();
  one.clock.advance(200);
  expect(one.homes[1]?.received).toEqual(["40", '421["x"]', '452-2["b"]', a, b]);
  expect(one.closed).toBeUndefined();
  one.held.fromHome(1, "431[]");
  one.held.fromHome(1, "432[]");
  expect(drain(one)).toEqual(["40"]);
});

test("otherwise the client is closed, or its own timeouts run", () => {
  const one = world();
  send(one, "40", '420["x"]');
  one.kill();
  one.clock.advance(200);
  expect(one.closed?.code).toBe(1012);
  const other = world({ unanswered: "timeout" });
  send(other, "40", '420["x"]');
  other.kill();
  other.clock.advance(200);
  expect([other.closed, other.homes[1]?.received]).toEqual([undefined, ["40"]]);
  // It is forgotten: the next move closes nobody either.
  drain(other);
  expect(other.roomTaken).toBeLessThan(500);
});

test("G4: what is kept to be sent again is bounded; events beyond it count as not idempotent", () => {
  const one = world({ idempotent: true });
  send(one, "40");
  for (let i = 0; i < 20; i++) send(one, `42${i}["${"x".repeat(5000)}"]`);
  expect(one.roomTaken).toBeLessThan(80_000);
  one.kill();
  one.clock.advance(200);
  expect(one.closed?.code).toBe(1012);
});

test("a packet with attachments is never cut by a move: it waits for the last one", () => {
  const one = world();
  const part = new Uint8Array([1]);
  send(one, "40", '452-["b"]', part);
  expect(one.homes[0]?.received).toEqual(["40"]);
  drain(one);
  send(one, part, '42["next"]');
  expect(one.homes.map(({ received }) => received)).toEqual([
    ["40"],
    ["40", '452-["b"]', part, part, '42["next"]'],
  ]);
});

test("a long one passes as it comes; if its server dies in between, the client is closed", () => {
  const part = new Uint8Array(50_000);
  const [whole, cut] = [world(), world()];
  send(whole, "40", '453-["b"]', part, part, part, '42["next"]');
  expect(whole.homes[0]?.received).toEqual(["40", '453-["b"]', part, part, part, '42["next"]']);
  send(cut, "40", '453-["b"]', part, part);
  cut.kill();
  cut.clock.advance(200);
  expect(cut.closed).toEqual({ code: 1012, reason: "A message was cut in two" });
  const half = world(
    {},
    server((frame, answer) => frame === "half" && (answer('451-["b"]'), true)),
  );
  send(half, "40", "half");
  half.kill();
  half.clock.advance(200);
  expect(half.closed?.code).toBe(1012);
});

test("a server's question gets its answer; that of a server which is gone gets none", () => {
  const asks = server(
    (frame, answer) => frame === "ask" && (answer('420["q"]'), answer('421["q"]'), true),
  );
  const one = world({}, asks);
  send(one, "40", "ask");
  send(one, '430["first"]');
  drain(one);
  one.got.length = 0;
  send(one, "ask");
  expect(one.got).toEqual(['422["q"]', '423["q"]']);
  const part = new Uint8Array(1);
  send(one, '461-1["late"]', part, '433["b"]', '461-2["a"]', part);
  expect(one.homes[1]?.received.slice(-3)).toEqual(['431["b"]', '461-0["a"]', part]);
  expect(one.homes[0]?.received.at(-1)).toBe('430["first"]');
});

test("one server that refuses a namespace is passed over; two close the client; its own refusal is told", () => {
  const denies = (...homes: readonly number[]) =>
    server(
      (frame, answer, home) =>
        homes.includes(home) && frame === "40" && (answer('44{"message":"no"}'), true),
    );
  const one = world({}, denies(1));
  send(one, "40");
  drain(one);
  one.clock.advance(1000);
  expect([one.closed, one.held.home]).toEqual([undefined, 2]);
  const two = world({}, denies(1, 2));
  send(two, "40");
  drain(two);
  two.clock.advance(1000);
  expect(two.closed?.code).toBe(1012);
  const own = world({}, denies(0));
  send(own, "40");
  expect([own.got.at(-1), drain(own)]).toEqual(['44{"message":"no"}', []]);
});

test("a close without a code is a server that goes, unless it disconnected the client before", () => {
  const [gone, kicked] = [
    world(),
    world(
      {},
      server((frame, answer) => frame === "kick" && (answer("41"), true)),
    ),
  ];
  send(gone, "40");
  gone.closeHome(1005);
  gone.clock.advance(200);
  expect([gone.closed, gone.held.home]).toEqual([undefined, 1]);
  send(kicked, "40", "kick");
  kicked.closeHome(1005);
  kicked.clock.advance(200);
  expect(kicked.closed?.code).toBe(1000);
});

test.each([
  ["an upgrade from polling", (one: World) => send(one, "2probe", "5")],
  ["a namespace of version 2", (one: World) => send(one, "40")],
  ["pings of version 2", (one: World) => send(one, "40", "2")],
  ["another parser", (one: World) => send(one, new Uint8Array([1, 2, 3]))],
])(
  "what this profile does not know passes, and is closed if its server goes: %s",
  (what, begin) => {
    const hello = (answer: Send): void => answer(OPEN);
    const one = world({}, () => ({
      ...(what.startsWith("an upgrade") ? {} : { opened: hello }),
      received: (frame, answer) => answer(frame),
    }));
    begin(one);
    send(one, "42x", new Uint8Array([1]), "2", "3");
    expect(one.got.slice(-4)).toEqual(["42x", new Uint8Array([1]), "2", "3"]);
    one.held.move("drain", 5000);
    one.clock.advance(10);
    expect(one.closed?.code).toBe(1012);
  },
);

test("10,000 mutated frames throw nothing", () => {
  const random = createSeededRandom(7);
  const seeds = [
    OPEN,
    "40",
    '40/chat,{"token":"t"}',
    '420["a"]',
    '452-/chat,1["b"]',
    '431["ok"]',
    "41",
    '44{"m":1}',
  ];
  const mutated = (): Frame => {
    if (random.chance(0.2)) return new Uint8Array(random.int(5));
    const text = random.pick(seeds);
    const at = random.int(text.length);
    return (
      text.slice(0, at) +
      random.pick(["", "9", "/", ",", "{", "-", "\u0000", "4"]) +
      text.slice(at + random.int(2))
    );
  };
  for (let round = 0; round < 100; round++) {
    const one = world({ idempotent: round % 2 === 0 }, () => ({
      opened: (answer) => answer(OPEN),
      received: (_, answer) => answer(mutated()),
    }));
    for (let i = 0; i < 100 && one.closed === undefined; i++) {
      one.fromClient(mutated());
      if (i % 20 === 0) one.held.move("drain", 1000);
      one.clock.advance(random.int(30));
    }
  }
});

test.each([
  ["drains alone", true],
  ["deaths, too", false],
] as const)(
  "1,000 seeds with %s: every event is accounted for, no packet is cut",
  (_, isCalm) => {
    let [moves, reconnects] = [0, 0];
    for (let seed = 1; seed <= 1000; seed++) {
      const one = { seed, isCalm, recovers: seed % 2 === 0, idempotent: seed % 4 < 2 };
      const result = runSocketIo(one, socketioProfile({ idempotent: one.idempotent }));
      expect({ ...one, wrongs: result.wrongs }).toEqual({ ...one, wrongs: [] });
      moves += result.moves;
      reconnects += result.reconnects;
    }
    expect(moves).toBeGreaterThan(3000);
    // Answers that are under way come before a server is left.
    expect(isCalm ? reconnects : 0).toBe(0);
  },
  patience(60_000),
);
