// A boat passes from one process to the next, whatever becomes of the former.
import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { World } from "./world.mjs";

let folder;
let nowMs;
let running;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-world-"));
  nowMs = 1_000_000;
  running = new Set();
});
afterEach(() => rmSync(folder, { recursive: true }));

function world(pid) {
  running.add(pid);
  return new World(folder, { pid, nowMs: () => nowMs, isRunning: (one) => running.has(one) });
}
function ticks(count, ...worlds) {
  for (let left = count; left > 0; left--) {
    nowMs += 50;
    for (const one of worlds) one.tick(0.05);
  }
}
const boatsOf = (one) => one.snapshot().boats;
const boatOf = (one, id) => boatsOf(one).find((boat) => boat.id === id);

test("a boat is where it was, with its course and its score, and no input is missing", () => {
  const [a, b] = [world(1), world(2)];
  a.arrive("ada", "Ada");
  assert.deepEqual(a.takeOver(), ["ada"]);
  a.steer("ada", { seq: 1, heading: [0, 1] });
  ticks(10, a);
  // Make before break: the client has both for a moment.
  b.arrive("ada", "Ada");
  ticks(10, a, b);
  assert.deepEqual(b.takeOver(), []);
  b.steer("ada", { seq: 3, heading: [0, -1] });
  a.steer("ada", { seq: 2, heading: [1, 0] });
  const before = boatOf(a, "ada");
  a.leave("ada");
  assert.deepEqual(b.takeOver(), ["ada"]);
  assert.deepEqual(boatOf(b, "ada"), { ...before, seq: 3, heading: [0, -1] });
  assert.deepEqual([a.ids(), b.ids()], [[], ["ada"]]);
  b.steer("ada", { seq: 6, heading: [0, 0] });
  assert.equal(boatOf(b, "ada").missed, 2);
});

test("everybody sees everybody while some have moved", () => {
  const [a, b] = [world(1), world(2)];
  for (const id of ["ada", "grace"]) a.arrive(id, id);
  a.takeOver();
  ticks(1, a);
  b.arrive("ada", "ada");
  a.leave("ada");
  b.takeOver();
  ticks(1, a, b);
  const names = (one) =>
    boatsOf(one)
      .map(({ name }) => name)
      .sort();
  assert.deepEqual(
    [names(a), names(b)],
    [
      ["ada", "grace"],
      ["ada", "grace"],
    ],
  );
  assert.deepEqual([a.ids(), b.ids()], [["grace"], ["ada"]]);
});

test("the boat of a process that was killed, or hangs, is taken over", () => {
  for (const [pid, happens] of [
    [1, () => running.delete(1)],
    [2, () => ticks(30)],
  ]) {
    const [a, b] = [world(pid), world(10 + pid)];
    a.arrive("ada", "Ada");
    a.takeOver();
    a.steer("ada", { seq: 1, heading: [1, 0] });
    ticks(3, a, b);
    b.arrive("ada", "Ada");
    assert.deepEqual(b.takeOver(), []);
    const before = boatOf(a, "ada");
    happens();
    assert.deepEqual(b.takeOver(), ["ada"]);
    assert.deepEqual(boatOf(b, "ada"), before);
    b.leave("ada");
    running.clear();
  }
});

test("who comes back to the same process within a minute has its boat; later it is gone", () => {
  const a = world(1);
  a.arrive("ada", "Ada");
  a.takeOver();
  a.steer("ada", { seq: 9, heading: [0, 1] });
  a.leave("ada");
  assert.equal(boatOf(a, "ada")?.seq, 9);
  nowMs += 50_000;
  ticks(1, a);
  assert.deepEqual(boatsOf(a), []);
  a.arrive("ada", "Ada");
  a.takeOver();
  assert.equal(boatOf(a, "ada").seq, 9);
  a.leave("ada");
  nowMs += 61_000;
  ticks(1, a);
  a.arrive("ada", "Ada");
  a.takeOver();
  assert.equal(boatOf(a, "ada").seq, 0);
});

test("files of dead processes go, and there are no more boats than 200", () => {
  const a = world(1);
  for (let id = 0; id < 200; id++) assert.ok(a.arrive(`${id}`, "Ada"));
  assert.ok(!a.arrive("one more", "Ada"));
  a.takeOver();
  running.delete(1);
  const b = world(2);
  nowMs += 61_000;
  ticks(1, b);
  assert.deepEqual(readdirSync(folder), ["1.json"]);
  b.arrive("ada", "Ada");
  b.takeOver();
  assert.deepEqual(readdirSync(folder), ["2.json"]);
});

test("the fastest heading has length one, and boats stay in the arena", () => {
  const a = world(1);
  a.arrive("ada", "Ada");
  a.takeOver();
  a.steer("ada", { seq: 1, heading: [3e300, 4e300] });
  assert.deepEqual(boatOf(a, "ada").heading, [0.6, 0.8]);
  ticks(200, a);
  const { x, y } = boatOf(a, "ada");
  assert.deepEqual([x, y], [316, 176]);
});
