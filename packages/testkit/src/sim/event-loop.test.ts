// Owns: tests of simulated time.
import { drainMicrotasks } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { EventLoop } from "./event-loop.ts";

const loopOf = () => new EventLoop({ settle: drainMicrotasks, wallStartMs: 1_000_000 });

describe("event loop", () => {
  test("events run by due time, equal ones in the order in which they were scheduled", () => {
    const loop = loopOf();
    const process = loop.process("p");
    const ran: string[] = [];
    for (const [name, delayMs] of [
      ["c", 20],
      ["a", 10],
      ["b", 10],
      ["d", 20.5],
    ] as const)
      process.at(delayMs, () => ran.push(`${name} ${loop.nowMs}`));
    loop.run(100);
    expect(ran).toEqual(["a 10", "b 10", "c 20", "d 20.5"]);
    expect(loop.nowMs).toBe(100);
  });

  test("promises and deferred tasks settle before time goes on", () => {
    const loop = loopOf();
    const { clock } = loop.process("p");
    const ran: string[] = [];
    clock.after(1, () => {
      clock.defer(() => ran.push("deferred"));
      void (async () => {
        for (let turn = 0; turn < 20; turn++) await undefined;
        ran.push("promised");
        clock.defer(() => ran.push("deferred by the promise"));
      })();
    });
    clock.after(1.001, () => ran.push("next event"));
    loop.run(2);
    expect(ran).toEqual(["promised", "deferred", "deferred by the promise", "next event"]);
  });

  test("a cancelled timer does not run and does not wait", () => {
    const loop = loopOf();
    const process = loop.process("p");
    const cancel = process.clock.after(5, () => expect.unreachable());
    expect(process.waiting()).toBe(1);
    cancel();
    cancel();
    expect(process.waiting()).toBe(0);
    loop.run(10);
  });

  test("nothing happens any more in a process that was killed", () => {
    const loop = loopOf();
    const process = loop.process("p");
    process.at(5, () => expect.unreachable());
    process.kill();
    loop.run(10);
    expect(process.alive).toBe(false);
  });

  test("a stalled process does everything when the stall ends, in order, and the others go on", () => {
    const loop = loopOf();
    const [slow, other] = [loop.process("slow"), loop.process("other")];
    const ran: string[] = [];
    for (const delayMs of [10, 20, 50, 60])
      slow.at(delayMs, () => ran.push(`slow ${delayMs} at ${loop.nowMs}`));
    other.at(15, () => ran.push("other"));
    slow.stall(50);
    loop.run(100);
    expect(ran).toEqual([
      "other",
      "slow 10 at 50",
      "slow 20 at 50",
      "slow 50 at 50",
      "slow 60 at 60",
    ]);
  });

  test("each process has its own wall clock, which may jump; the other clock does not", () => {
    const loop = loopOf();
    const [one, other] = [loop.process("one"), loop.process("other")];
    loop.run(10);
    one.jumpWall(-500);
    expect([one.clock.wallMs(), other.clock.wallMs(), one.clock.nowMs(), loop.wallMs()]).toEqual([
      999_510, 1_000_010, 10, 1_000_010,
    ]);
  });

  test("a run stops when it is told to, and one that never ends throws", () => {
    const loop = loopOf();
    const process = loop.process("p");
    let count = 0;
    const again = (): void =>
      process.at(0, () => {
        count += 1;
        again();
      });
    again();
    loop.run(10, { after: () => count < 3 });
    expect([count, loop.nowMs]).toEqual([3, 0]);
    expect(() => loop.run(10, { eventsMax: 100 })).toThrow("more than 100 events");
  });
});
