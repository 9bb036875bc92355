import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createManualClock } from "@holdfast/testkit";
import { patience } from "../../../../test/patience.ts";
import { at, type Json } from "../reading.ts";
import type { Change } from "./object-cache.ts";
import { Reflector, type ReflectorEvent, type ReflectorOptions } from "./reflector.ts";
import { COLLECTION, type Fault, GONE, HostileServer, lineOf } from "./testing/hostile-server.ts";
import { accessTo, clientOf, until } from "./testing/setting.ts";

setDefaultTimeout(patience(10_000));

const name = (object: Json) => String(at(object, "metadata", "name"));
const QUICK = { firstMs: 2, maxMs: 20 };

let server: HostileServer;
let reflector: Reflector;
let changes: string[];
let events: ReflectorEvent[];

beforeEach(() => {
  server = new HostileServer();
  for (const one of ["a", "b", "c"]) server.set(one, "1");
  changes = [];
  events = [];
});

afterEach(() => {
  reflector?.stop();
  server.stop();
});

function reflect(options: Partial<ReflectorOptions> = {}, lineBytesMax = 100_000): Reflector {
  const access = accessTo(`http://127.0.0.1:${server.port}`);
  reflector = new Reflector(clientOf(access, { lineBytesMax, timeoutMs: 2000 }), {
    path: COLLECTION,
    backoff: QUICK,
    onChange: ({ type, object }: Change) => changes.push(`${type} ${name(object)}`),
    tell: (event) => events.push(event),
    ...options,
  });
  reflector.start();
  return reflector;
}

const copy = () =>
  [...reflector.objects].map((object) => `${name(object)}=${at(object, "data", "value")}`).sort();
const truth = () =>
  [...server.items.values()].map((one) => `${name(one)}=${one.data.value}`).sort();
const isEven = () => reflector.isSynced && Bun.deepEquals(copy(), truth());
const watching = () => until(() => server.watches.length > 0);
const reasons = () =>
  events.flatMap((event) =>
    event.type === "ended" ? [event.because] : event.type === "failed" ? [event.error.reason] : [],
  );
const lists = () => server.asked.filter((one) => one === "LIST").length;

/** The copy follows the server again, also what changes from now on. */
async function follows(): Promise<void> {
  server.set("probe", String(server.version));
  await until(isEven);
  await watching();
  server.set("probe", String(server.version));
  server.delete("a");
  await until(isEven);
}

/** The usual answer from the second time on. */
const once = (isMeant: (asked: string) => boolean, fault: (...of: Parameters<Fault>) => void) => {
  let isOver = false;
  server.fault = (exchange) => {
    if (isOver || !isMeant(server.asked.at(-1) ?? "")) return false;
    isOver = true;
    fault(exchange);
    return true;
  };
};
const isWatch = (asked: string) => asked.startsWith("WATCH");
const isList = (asked: string) => asked === "LIST";

test("holds what the server has, and tells each change once", async () => {
  reflect();
  expect(reflector.isSynced).toBe(false);
  expect(reflector.staleMs(performance.now())).toBe(Number.POSITIVE_INFINITY);
  await watching();
  server.set("d", "1");
  server.set("a", "2");
  server.delete("b");
  await until(() => changes.length === 6);
  expect(changes).toEqual([
    ...["added a", "added b", "added c"],
    ...["added d", "changed a", "removed b"],
  ]);
  expect(isEven()).toBe(true);
  expect(at(reflector.get("a", "x"), "kind")).toBe("ConfigMap");
  expect(reflector.get("a")).toBeUndefined();
  expect(lists()).toBe(1);
});

test("lists in pages of 500", async () => {
  for (let index = 0; index < 1200; index += 1) server.set(`n${index}`, "1");
  reflect();
  await until(isEven);
  expect(lists()).toBe(3);
});

test("goes on from where it was when the server ends a watch, without a list", async () => {
  reflect();
  await watching();
  for (let round = 0; round < 5; round += 1) {
    server.set("a", `round ${round}`);
    server.endWatches();
    server.set("b", `round ${round}`);
    await until(isEven);
    await watching();
  }
  expect(lists()).toBe(1);
});

test("a bookmark moves the place where the next watch begins", async () => {
  reflect();
  await watching();
  server.version += 1000;
  server.bookmark();
  server.set("a", "2");
  await until(isEven);
  server.version += 1000;
  server.bookmark();
  const { version } = server;
  server.endWatches();
  await watching();
  expect(server.asked.at(-1)).toBe(`WATCH ${version}`);
});

test("lists again if the version is too old, told in the stream", async () => {
  reflect();
  await watching();
  server.oldest = server.version + 1;
  server.endWatches();
  server.set("a", "2");
  server.delete("b");
  await until(isEven);
  expect(reasons()).toContain("Expired");
  expect(changes).toContain("removed b");
  await follows();
});

test("lists again if the version is too old, told as the answer", async () => {
  once(isWatch, (exchange) => exchange.answer(410, GONE));
  reflect();
  await follows();
  expect(lists()).toBe(2);
});

test("lists all at once if the rest of a list is forgotten", async () => {
  for (let index = 0; index < 600; index += 1) server.set(`n${index}`, "1");
  server.fault = (exchange) => {
    if (exchange.query.get("continue") === null) return false;
    exchange.answer(410, GONE);
    return true;
  };
  reflect();
  await until(isEven);
  expect(reasons()).toEqual([]);
});

test.each([
  ["a list", isList],
  ["a watch", isWatch],
])("waits as long as the server asks for, and a little longer: %s", async (_what, isMeant) => {
  once(isMeant, (exchange) => exchange.answer(429, { kind: "Status" }, { "Retry-After": "1" }));
  reflect();
  await until(() => events.some(({ type }) => type === "failed"));
  const failed = events.find((event) => event.type === "failed");
  expect(failed?.retryMs).toBeGreaterThanOrEqual(1000);
  expect(failed?.retryMs).toBeLessThanOrEqual(1250);
  await until(isEven);
});

test("does not wait for more than a minute and a quarter, whatever the server asks for", async () => {
  once(isList, (exchange) => exchange.answer(503, "", { "Retry-After": "86400" }));
  reflect();
  await until(() => events.some(({ type }) => type === "failed"));
  const failed = events.find((event) => event.type === "failed");
  expect(failed?.retryMs).toBeGreaterThanOrEqual(60_000);
  expect(failed?.retryMs).toBeLessThanOrEqual(75_000);
});

test.each([
  ["500 to a list", isList, 500],
  ["503 to a watch", isWatch, 503],
  ["403 to a list", isList, 403],
  ["404 to a watch", isWatch, 404],
  ["401 to a list", isList, 401],
])("goes on after %s", async (_what, isMeant, status) => {
  let left = 5;
  server.fault = (exchange) => {
    if (!isMeant(server.asked.at(-1) ?? "") || left <= 0) return false;
    left -= 1;
    exchange.answer(status, "<html>no</html>");
    return true;
  };
  reflect();
  await follows();
  expect(reasons().length).toBeGreaterThanOrEqual(5);
});

test.each<[string, (...of: Parameters<Fault>) => void]>([
  ["a list that is HTML", (exchange) => exchange.answer(200, "<html>hello</html>")],
  ["a list that is a number", (exchange) => exchange.answer(200, 7)],
  ["a list without items", (exchange) => exchange.answer(200, { metadata: {} })],
  ["a redirect", (exchange) => exchange.answer(302, "", { Location: "http://127.0.0.1:1/" })],
  ["a cut before the answer", (exchange) => exchange.cut()],
])("goes on after %s", async (_what, fault) => {
  once(isList, fault);
  reflect();
  await follows();
});

const EVENT = lineOf("MODIFIED", {
  kind: "ConfigMap",
  metadata: { name: "a", namespace: "x", uid: "uid-1", resourceVersion: "99" },
  data: { value: "half" },
});

test.each<[string, string]>([
  ["a line that is no JSON", "{]\n"],
  ["a line that is a number", "7\n"],
  ["an event of another type", `${JSON.stringify({ type: "NOVEL", object: {} })}\n`],
  ["an event without an object", `${JSON.stringify({ type: "ADDED" })}\n`],
  ["an object without a version", lineOf("ADDED", { metadata: { name: "q" } })],
  ["a line that is too long", "x".repeat(150_000)],
  ["an error without a code", lineOf("ERROR", { kind: "Status" })],
  ["an error that asks to wait", lineOf("ERROR", { code: 429, reason: "TooManyRequests" })],
])("goes on after %s", async (_what, line) => {
  reflect();
  await watching();
  const [watch] = server.watches.splice(0);
  watch?.chunk(line);
  await follows();
  expect(reasons().length).toBeGreaterThanOrEqual(1);
});

test.each(["cut", "end"] as const)("half a line counts for nothing: %s", async (end) => {
  reflect();
  await watching();
  const [watch] = server.watches.splice(0);
  watch?.chunk(EVENT.slice(0, -20));
  watch?.[end]();
  await until(() => reasons().length > 0);
  expect(reasons()).toEqual(["Cut"]);
  expect(copy()).toContain("a=1");
  await follows();
  expect(lists()).toBe(1);
});

test("a character may be cut in two", async () => {
  reflect();
  await watching();
  const [watch] = server.watches.splice(0);
  const item = server.set("ä€😀", "ß");
  const bytes = new TextEncoder().encode(lineOf("ADDED", item));
  for (const byte of bytes) watch?.chunk(new Uint8Array([byte]));
  await until(isEven);
  expect(reasons()).toEqual([]);
});

test("an answer is away for a while: it is asked again, and the copy stays readable", async () => {
  reflect();
  await watching();
  server.goAway();
  await until(() => reasons().length >= 6);
  expect(copy()).toEqual(["a=1", "b=1", "c=1"]);
  server.set("c", "2");
  server.comeBack();
  await follows();
});

test("a server that comes back with an older history is believed", async () => {
  server.version = 5000;
  server.set("late", "1");
  reflect();
  await watching();
  server.goAway();
  server.restore(40, ["a", "old"]);
  await until(() => reasons().length >= 2);
  server.comeBack();
  await until(isEven);
  expect(changes).toContain("removed late");
  expect(changes).toContain("added old");
  await follows();
});

test.each<[string, () => void]>([
  ["a bookmark", () => server.bookmark(3)],
  [
    "an event",
    () =>
      server.say("MODIFIED", {
        metadata: { name: "a", namespace: "x", uid: "uid-1", resourceVersion: "3" },
      }),
  ],
])("an older history is noticed in the stream: %s", async (_what, say) => {
  reflect();
  await watching();
  const [watch] = server.watches;
  say();
  await until(() => reasons().includes("History"));
  await until(() => watch?.isOpen === false);
  await follows();
  expect(lists()).toBe(2);
});

test("repetitions tell nothing", async () => {
  reflect();
  await watching();
  const b = server.set("b", "2");
  server.delete("c");
  await until(isEven);
  const told = changes.length;
  server.say("MODIFIED", b);
  server.say("ADDED", b);
  server.say("DELETED", { metadata: { name: "never", namespace: "x", resourceVersion: "99999" } });
  server.version = 100_000;
  server.set("last", "1");
  await until(isEven);
  expect(changes.slice(told)).toEqual(["added last"]);
  expect(lists()).toBe(1);
});

test("an object made anew under the same name is removed and added", async () => {
  reflect();
  await watching();
  server.endWatches();
  server.oldest = server.version + 5;
  server.delete("a");
  server.set("a", "new");
  server.version += 10;
  await until(isEven);
  const [removed, added] = changes.slice(3);
  expect([removed, added]).toEqual(["removed a", "added a"]);
});

test("an object made anew is removed and added, also if its removal was not told", async () => {
  reflect();
  await watching();
  server.items.delete("a");
  server.set("a", "new");
  await until(isEven);
  expect(changes.slice(3)).toEqual(["removed a", "added a"]);
});

test("a connection on which nothing comes is given up, and the next begins with a list", async () => {
  server.fault = (exchange) => {
    if (!isWatch(server.asked.at(-1) ?? "") || lists() > 1) return false;
    exchange.begin();
    return true;
  };
  reflect({ silenceMs: 50 });
  await until(() => reasons().includes("Silence"));
  expect(reflector.staleMs(performance.now())).toBeGreaterThanOrEqual(40);
  await follows();
});

test("watches that the server ends without a word are no sign of life", async () => {
  server.fault = (exchange) => {
    if (!isWatch(server.asked.at(-1) ?? "")) return false;
    exchange.begin();
    exchange.end();
    return true;
  };
  reflect({ silenceMs: 100 });
  await until(() => lists() > 1);
  expect(new Set(reasons())).toEqual(new Set(["Server"]));
});

test("a server that takes a request and says nothing is given up", async () => {
  once(isWatch, () => {});
  reflect({ silenceMs: 50 });
  await until(() => reasons().includes("Silence"));
  await follows();
});

test("bookmarks keep a quiet watch", async () => {
  const clock = createManualClock();
  reflect({ clock });
  await watching();
  for (let round = 0; round < 20; round += 1) {
    clock.advance(60_000);
    server.bookmark();
    await until(() => reflector.staleMs(clock.nowMs()) === 0);
  }
  expect(reasons()).toEqual([]);
  clock.advance(130_000);
  await until(() => reasons().includes("Silence"));
});

test("more objects than the limit are refused, and the copy stays as it was", async () => {
  reflect({ objectsMax: 4 });
  await watching();
  server.set("d", "1");
  await until(isEven);
  server.set("e", "1");
  await until(() => events.some((event) => event.type === "failed"));
  expect(new Set(reasons())).toEqual(new Set(["TooLarge"]));
  expect(copy().length).toBe(4);
  server.delete("d");
  server.delete("b");
  await follows();
});

test("what its caller throws stops nothing, and is told", async () => {
  const thrower = () => {
    throw new TypeError("mine");
  };
  reflect({ onChange: thrower, keep: thrower });
  await follows();
  const threw = events.filter(({ type }) => type === "threw");
  expect(threw.length).toBeGreaterThanOrEqual(6);
});

test("an observer that throws stops nothing", async () => {
  reflect({
    tell: () => {
      throw new TypeError("mine");
    },
  });
  await follows();
});

test("keeps what it is told to keep", async () => {
  reflect({ keep: ({ metadata }) => ({ metadata }) });
  await watching();
  server.set("d", "1");
  await until(() => reflector.size === 4);
  for (const object of reflector.objects) expect(Object.keys(object)).toEqual(["metadata"]);
});

test("lists again after relistMs, at the end of a watch", async () => {
  reflect({ relistMs: 0 });
  await watching();
  server.endWatches();
  await until(() => lists() === 2);
  await follows();
});

test("waits longer after each failure, within its limits", async () => {
  server.fault = (exchange) => {
    exchange.answer(500, "");
    return true;
  };
  reflect({ backoff: { firstMs: 1, maxMs: 16 } });
  await until(() => events.length >= 9);
  const waits = events.map((event) => ("retryMs" in event ? event.retryMs : -1));
  for (const [index, most] of [1, 2, 4, 8, 16, 16, 16].entries()) {
    expect(waits[index]).toBeGreaterThanOrEqual(most / 2);
    expect(waits[index]).toBeLessThanOrEqual(most);
  }
});

test("a stop ends the connection and every wait", async () => {
  reflect();
  await watching();
  const asked = server.asked.length;
  reflector.stop();
  await until(() => server.connections === 0);
  expect(server.asked.length).toBe(asked);
  reflector.start();
  await follows();
});
