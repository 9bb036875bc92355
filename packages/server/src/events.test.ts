import { describe, expect, test } from "bun:test";
import type { Observer } from "@holdfast/core";
import { createEvents, createObserver, type ServerEvents, stallWatcher } from "./events.ts";
import { createLogger } from "./log/index.ts";
import { createMetrics } from "./metrics/index.ts";

function setUp(level: "debug" | "info" = "debug") {
  const lines: { event: string; level: string }[] = [];
  const log = createLogger({ sink: (line) => lines.push(JSON.parse(line)), level });
  return { lines, events: createEvents(log) };
}

describe("events", () => {
  test("each function writes one line with a name of its own in snake_case", () => {
    const { lines, events } = setUp();
    for (const write of Object.values(events) as ((fields: object) => void)[])
      write({ reason: "r", keys: 2 });
    expect(lines.length).toBe(Object.keys(events).length);
    expect(new Set(lines.map(({ event }) => event)).size).toBe(lines.length);
    for (const { event } of lines) expect(event).toMatch(/^[a-z]+(_[a-z]+)*$/);
  });

  test("a lag sample is worth a line from half a second on", () => {
    const { lines, events } = setUp();
    const watch = stallWatcher(events);
    for (const ms of [0, 499, 500.4]) watch(ms);
    expect(lines).toMatchObject([{ event: "event_loop_stalled", ms: 500 }]);
  });
});

const PROGRESS = { total: 2, remaining: 1, asked: 1, moved: 1, told: 0, cut: 0, deadlineInMs: 900 };

describe("the observer", () => {
  const calls: [keyof Observer, unknown[], string | undefined][] = [
    ["published", ["ordered", "ok", 1], undefined],
    ["delivered", ["ordered", 10, 1], undefined],
    ["recovered", ["full", 1], undefined],
    ["requestFailed", ["rate_limited"], undefined],
    ["rpc", ["sum", "ok", 1], undefined],
    ["leaseRenewed", ["failed"], undefined],
    ["ordered", ["drain", "refused"], undefined],
    ["drainStep", ["migrate", 1, PROGRESS], undefined],
    ["drainStep", ["started", 2, PROGRESS], "drain_started"],
    ["drainStep", ["finished", 2, PROGRESS], "drain_finished"],
    ["drainStep", ["undone", 1, PROGRESS], "drain_undone"],
    ["shedStep", ["migrate", 1], undefined],
    ["shedStep", ["started", 2], "shed_started"],
    ["shedStep", ["reached", 0], "shed_ended"],
    ["handshake", ["connected", undefined, 1], undefined],
    ["handshake", ["refused", "try_later", 1], "handshake_refused"],
    ["ended", [{ session: "s", code: undefined, connectedMs: 5 }], "session_ended"],
    ["slowConsumer", ["drop"], "slow_consumer"],
    ["gap", ["history", 3], "gap_declared"],
    ["hole", ["repaired", 3], "hole_found"],
    ["authFailed", ["token_invalid"], "auth_failed"],
    [
      "experienced",
      [
        {
          reconnects: 1,
          migrations: 0,
          duplicates: 0,
          gaps: 0,
          lost: 0,
          undeclared: 0,
          resumeMsMax: 1,
        },
      ],
      undefined,
    ],
    [
      "experienced",
      [
        {
          reconnects: 0,
          migrations: 0,
          duplicates: 0,
          gaps: 1,
          lost: 2,
          undeclared: 0,
          resumeMsMax: 0,
        },
      ],
      "client_lost",
    ],
    ["bug", ["recover", new Error("x")], "bug"],
  ];
  test.each(calls)(
    "%s is counted, and logged only where it deserves it",
    async (method, args, event) => {
      const { lines, events } = setUp();
      const metrics = createMetrics({ node: "n", revision: "r", version: "v" });
      const before = (await metrics.render()).text;
      const observer = createObserver(metrics.observer, events as ServerEvents);
      (observer[method] as (...given: unknown[]) => void)(...args);
      expect(withoutProcess((await metrics.render()).text)).not.toBe(withoutProcess(before));
      expect(lines.map((line) => line.event)).toEqual(event === undefined ? [] : [event]);
    },
  );
});

/** A scrape without what changes on its own. */
const withoutProcess = (text: string): string =>
  text.replace(/^(process|holdfast_heap)\S* .*$/gm, "");
