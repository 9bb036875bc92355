import { expect, test } from "bun:test";
import { createManualClock, createSeededRandom } from "@holdfast/testkit";
import { at, type Json } from "../reading.ts";
import { createEventRecorder, type KubeEvent, type RecorderEvent } from "./event-recorder.ts";
import { KubeApiError } from "./kube-api-error.ts";

const PATH = "/apis/events.k8s.io/v1/namespaces/x/events";

function setUp() {
  const clock = createManualClock();
  const written: { readonly path: string; readonly body: Json }[] = [];
  const told: RecorderEvent[] = [];
  const server = { answers: async (): Promise<void> => {} };
  const write = async (path: string, body: Json): Promise<Json> => {
    await server.answers();
    written.push({ path, body });
    return body;
  };
  const random = createSeededRandom(1);
  const recorder = createEventRecorder({
    ...{ api: { create: write, merge: write }, clock, random: { next: () => random.next() } },
    ...{ controller: "holdfast.dev/operator", instance: "operator-0" },
    tell: (event) => told.push(event),
  });
  return { clock, written, told, server, recorder, types: () => told.map(({ type }) => type) };
}

const event = (more: Partial<KubeEvent> = {}, uid = "u1"): KubeEvent => ({
  regarding: {
    ...{ apiVersion: "holdfast.dev/v1alpha1", kind: "RealtimeSet" },
    metadata: { name: "rt", namespace: "x", uid, resourceVersion: "7" },
  },
  ...{ type: "Normal", reason: "DrainBegan", action: "Drain", note: "rt-1 drains" },
  ...more,
});

test("an Event says who did what to which object", async () => {
  const { recorder, written } = setUp();
  recorder.record(event());
  expect(written).toEqual([]);
  await recorder.flush();
  const [{ path, body } = { path: "", body: {} }] = written;
  expect(path).toBe(PATH);
  expect(at(body, "metadata", "name")).toMatch(/^rt\.[0-9a-f]+$/);
  expect<unknown>({ ...body, metadata: undefined }).toEqual({
    ...{ apiVersion: "events.k8s.io/v1", kind: "Event", metadata: undefined },
    ...{ eventTime: "2026-01-01T00:00:00.000000Z" },
    ...{ reportingController: "holdfast.dev/operator", reportingInstance: "operator-0" },
    ...{ type: "Normal", reason: "DrainBegan", action: "Drain", note: "rt-1 drains" },
    regarding: {
      ...{ apiVersion: "holdfast.dev/v1alpha1", kind: "RealtimeSet", name: "rt" },
      ...{ namespace: "x", uid: "u1", resourceVersion: "7" },
    },
  });
});

test("repetitions are counted, and the count is written every half a minute at most", async () => {
  const { recorder, written, clock } = setUp();
  recorder.record(event());
  await recorder.flush();
  const name = String(at(written[0]?.body, "metadata", "name"));
  for (let second = 0; second < 60; second += 1) {
    recorder.record(event());
    clock.advance(1000);
  }
  await recorder.flush();
  expect(written.slice(1).map(({ path }) => path)).toEqual(Array(2).fill(`${PATH}/${name}`));
  expect(written.at(-1)?.body).toEqual({
    series: { count: 61, lastObservedTime: "2026-01-01T00:00:59.000000Z" },
  });
});

test("a repetition after six minutes is an Event of its own", async () => {
  const { recorder, written, clock } = setUp();
  recorder.record(event());
  clock.advance(360_000);
  recorder.record(event());
  await recorder.flush();
  expect(written.map(({ path }) => path)).toEqual([PATH, PATH]);
});

test("an object has 25 Events at once and then one a minute; others have their own", async () => {
  const { recorder, written, clock, types } = setUp();
  for (let index = 0; index < 40; index += 1) recorder.record(event({ note: `n${index}` }));
  recorder.record(event({}, "u2"));
  await recorder.flush();
  expect(written.length).toBe(26);
  expect(types().filter((type) => type === "limited").length).toBe(15);
  clock.advance(120_000);
  for (let index = 0; index < 5; index += 1) recorder.record(event({ note: `m${index}` }));
  await recorder.flush();
  expect(written.length).toBe(28);
});

test("a warning is written though an object has had too many other Events", async () => {
  const { recorder, written } = setUp();
  for (let index = 0; index < 40; index += 1) recorder.record(event({ note: `n${index}` }));
  for (let index = 0; index < 40; index += 1)
    recorder.record(event({ type: "Warning", reason: "RolledBack", note: `w${index}` }));
  await recorder.flush();
  expect(written.filter(({ body }) => body.type === "Warning").length).toBe(25);
  expect(written.length).toBe(50);
});

test("what waits for the API server is bounded; the rest is dropped and told", async () => {
  const { recorder, written, server, types } = setUp();
  const gate = Promise.withResolvers<void>();
  server.answers = () => gate.promise;
  for (let index = 0; index < 500; index += 1) recorder.record(event({}, `u${index}`));
  gate.resolve();
  await recorder.flush();
  expect(types().filter((type) => type === "dropped").length).toBe(300);
  expect(written.length).toBe(200);
});

test("a server that refuses is nobody's trouble; no count follows what was not written", async () => {
  const { recorder, written, server, told, clock } = setUp();
  const error = new KubeApiError("no", { status: 403, reason: "Forbidden" });
  server.answers = () => Promise.reject(error);
  recorder.record(event());
  recorder.record(event());
  clock.advance(60_000);
  await recorder.flush();
  expect(told).toEqual([{ type: "counted" }, { type: "failed", error }]);
  server.answers = () => Promise.reject(new TypeError("odd"));
  recorder.record(event({ note: "other" }));
  await recorder.flush();
  expect([told.at(-1), written]).toEqual([{ type: "failed" }, []]);
});

test("a note is cut at 1024 bytes between two characters", async () => {
  const { recorder, written } = setUp();
  for (const note of ["€".repeat(2000), "x".repeat(2000), "a😀".repeat(500)])
    recorder.record(event({ note }));
  await recorder.flush();
  const notes = written.map(({ body }) => String(body.note));
  expect(notes.map((note) => Buffer.byteLength(note))).toEqual([1023, 1024, 1021]);
  expect(notes.some((note) => note.includes("\uFFFD"))).toBe(false);
});

test("an object without a namespace has its Events in default; an odd one throws nothing", async () => {
  const { recorder, written } = setUp();
  recorder.record(event({ regarding: { kind: "Node", metadata: { name: "n", uid: "n" } } }));
  recorder.record(event({ regarding: {} }));
  await recorder.flush();
  expect(written[0]?.path).toBe("/apis/events.k8s.io/v1/namespaces/default/events");
  expect(written.length).toBe(2);
});

test("nothing is written after a stop", async () => {
  const { recorder, written, clock } = setUp();
  recorder.record(event());
  recorder.stop();
  recorder.record(event({ note: "later" }));
  await recorder.flush();
  expect([written, clock.waiting()]).toEqual([[], 0]);
});
