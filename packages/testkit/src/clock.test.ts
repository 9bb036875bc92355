import { expect, test } from "bun:test";
import { createManualClock } from "./clock.ts";

test("timers run by due time and equal ones in the order in which they were set", () => {
  const clock = createManualClock();
  const ran: string[] = [];
  clock.after(20, () => ran.push(`c@${clock.nowMs()}`));
  clock.after(10, () => ran.push(`a@${clock.nowMs()}`));
  clock.after(10, () => ran.push(`b@${clock.nowMs()}`));
  clock.advance(9);
  expect(ran).toEqual([]);
  clock.advance(11);
  expect(ran).toEqual(["a@10", "b@10", "c@20"]);
  expect(clock.nowMs()).toBe(20);
});

test("a deferred task runs behind the task that deferred it and before the next timer", () => {
  const clock = createManualClock();
  const ran: string[] = [];
  clock.after(5, () => {
    clock.defer(() => ran.push("deferred"));
    ran.push("first");
  });
  clock.after(5, () => ran.push("second"));
  clock.advance(5);
  expect(ran).toEqual(["first", "deferred", "second"]);
});

test("a timer set while time passes runs in the same advance when it is due in it", () => {
  const clock = createManualClock();
  const ran: number[] = [];
  const again = (): void => {
    ran.push(clock.nowMs());
    clock.after(10, again);
  };
  clock.after(10, again);
  clock.advance(35);
  expect(ran).toEqual([10, 20, 30]);
  expect(clock.nextDueMs()).toBe(40);
});

test("a cancelled timer does not run, however many were cancelled", () => {
  const clock = createManualClock();
  const ran: number[] = [];
  const cancels = Array.from({ length: 500 }, (_, index) =>
    clock.after(index, () => ran.push(index)),
  );
  for (const [index, cancel] of cancels.entries()) if (index % 100 !== 7) cancel();
  for (const cancel of cancels.slice(0, 5)) cancel();
  expect(clock.waiting()).toBe(5);
  clock.advance(1000);
  expect(ran).toEqual([7, 107, 207, 307, 407]);
  expect(clock.waiting()).toBe(0);
});

test("flush runs deferred tasks and leaves timers", () => {
  const clock = createManualClock();
  const ran: string[] = [];
  clock.after(0, () => ran.push("timer"));
  clock.defer(() => clock.defer(() => ran.push("deferred twice")));
  clock.flush();
  expect(ran).toEqual(["deferred twice"]);
});

test("the wall clock jumps without the steady one", () => {
  const clock = createManualClock({ startMs: 1000, wallStartMs: 50_000 });
  clock.jumpWall(-20_000);
  clock.advance(5);
  expect([clock.nowMs(), clock.wallMs()]).toEqual([1005, 30_005]);
});

test("a task that starts itself again for ever is stopped", () => {
  const clock = createManualClock({ tasksMax: 100 });
  const again = (): void => clock.defer(again);
  again();
  expect(() => clock.flush()).toThrow("100 tasks");
});
