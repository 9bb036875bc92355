// Owns: checks of what the page states about a restart.
import { describe, expect, test } from "bun:test";
import { Heartbeats } from "./heartbeats.ts";
import {
  MOVE_TIMEOUT_MS,
  type RestartEvent,
  type RestartWatch,
  reportRestart,
  WATCH_MS,
  watchRestart,
} from "./restart-watch.ts";

function after(events: readonly RestartEvent[], lastNode = "old"): RestartWatch {
  return events.reduce<RestartWatch>((watch, event) => watchRestart(watch, event, lastNode), {
    phase: "idle",
  });
}

const asked = { kind: "asked", atMs: 1000, node: "old" } as const;
const moved = { kind: "node", atMs: 1600, node: "new" } as const;

/** Heartbeats at every 100 ms up to `toMs`, but none between the two times. */
function beatsWithPause(pauseFromMs: number, pauseToMs: number, toMs = 5000): Heartbeats {
  const heartbeats = new Heartbeats();
  for (let n = 1; n * 100 <= toMs; n++) {
    const due = n * 100;
    const atMs = due > pauseFromMs && due < pauseToMs ? pauseToMs : due;
    heartbeats.observe("run", { n, atMs, node: atMs < 1600 ? "old" : "new" });
  }
  return heartbeats;
}

describe("a watched restart", () => {
  test("reports the nodes, the pause and that nothing went missing", () => {
    const report = reportRestart(after([asked, moved]), beatsWithPause(1500, 1740), {
      nowMs: 4200,
      intervalMs: 100,
    });
    expect(report).toMatchObject({
      fromNode: "old",
      moves: [{ node: "new", afterMs: 600 }],
      askedHere: true,
      pauseMs: 140,
      missing: 0,
      duplicated: 0,
      left: [],
      states: [],
    });
    expect(report?.timeline.beats.length).toBeGreaterThan(30);
  });

  test("has no report before the window has moved", () => {
    expect(
      reportRestart(after([asked]), beatsWithPause(0, 0), { nowMs: 1200, intervalMs: 100 }),
    ).toBeUndefined();
  });

  test("begins when another window asked: the move itself starts it", () => {
    expect(after([moved])).toMatchObject({
      phase: "moved",
      fromNode: "old",
      moves: [{ atMs: 1600, node: "new" }],
      askedAtMs: 1600,
    });
  });

  test("does not begin with the first node that a window meets", () => {
    expect(after([moved], "")).toEqual({ phase: "idle" });
  });

  test("is one restart also when the window moves more than once: from asking to the last move", () => {
    const states = { kind: "state", atMs: 1500, state: "reconnecting" } as const;
    const again = { kind: "node", atMs: 4000, node: "newer" } as const;
    const watch = watchRestart(after([asked, states, moved]), again, "new");
    const report = reportRestart(watch, beatsWithPause(4100, 4400, 8000), {
      nowMs: 7000,
      intervalMs: 100,
    });
    expect(report).toMatchObject({
      fromNode: "old",
      moves: [
        { node: "new", afterMs: 600 },
        { node: "newer", afterMs: 3000 },
      ],
      askedHere: true,
      states: ["reconnecting"],
      watchedMs: 3000,
      pauseMs: 200,
      timeline: { movesMs: [600, 3000], toMs: 5500 },
    });
  });

  test("is another restart when the window had stayed where it was", () => {
    const late = { kind: "node", atMs: 1601 + WATCH_MS, node: "newer" } as const;
    expect(watchRestart(after([asked, moved]), late, "new")).toMatchObject({
      askedAtMs: late.atMs,
      fromNode: "new",
      left: [],
    });
  });

  test("never grows without end, however often a window moves", () => {
    let watch = after([asked]);
    for (let n = 0; n < 200; n++)
      watch = watchRestart(
        watch,
        { kind: "node", atMs: 2000 + n * 500, node: `n${n}` },
        `n${n - 1}`,
      );
    const report = reportRestart(watch, beatsWithPause(0, 0), { nowMs: 110_000, intervalMs: 100 });
    expect(report?.moves.length).toBeLessThanOrEqual(20);
  });

  test("counts those who leave and the states other than connected while it watches, and no later", () => {
    const late = 1600 + WATCH_MS + 1;
    const watch = after([
      asked,
      { kind: "state", atMs: 1100, state: "reconnecting" },
      { kind: "state", atMs: 1200, state: "connected" },
      moved,
      { kind: "left", atMs: 1700, name: "Ada" },
      { kind: "left", atMs: late, name: "Bob" },
      { kind: "state", atMs: late, state: "reconnecting" },
    ]);
    expect(watch).toMatchObject({ left: ["Ada"], states: ["reconnecting"] });
  });

  test("fails when it is refused", () => {
    expect(after([asked, { kind: "refused", atMs: 1100, why: "no" }])).toMatchObject({
      phase: "failed",
      why: "no",
    });
  });

  test("fails when the window has not moved in time, and only then", () => {
    expect(after([asked, { kind: "time", atMs: 1000 + MOVE_TIMEOUT_MS }])).toMatchObject({
      phase: "asked",
    });
    expect(after([asked, { kind: "time", atMs: 1001 + MOVE_TIMEOUT_MS }])).toMatchObject({
      phase: "failed",
    });
  });
});
