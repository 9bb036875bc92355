// Checks which node process serves when: what dev does must be right in every order of events.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type DevEffect, type DevEvent, DevPlan } from "./plan.ts";

/** A plan that has handled these events, and what it did at the last one. */
function after(...events: readonly DevEvent[]): string {
  const plan = new DevPlan();
  let effects = plan.begin();
  for (const event of events) effects = plan.handle(event);
  return shown(effects);
}

function shown(effects: readonly DevEffect[]): string {
  return effects
    .map((effect) =>
      [effect.kind, "child" in effect ? effect.child : "", "ok" in effect ? effect.ok : ""]
        .filter((part) => part !== "")
        .join(" "),
    )
    .join(", ");
}

const ready = (child: number): DevEvent => ({ kind: "ready", child });
const exited = (child: number, status = 0): DevEvent => ({ kind: "exited", child, status });
const refused = (child: number, fatal = false): DevEvent => ({ kind: "refused", child, fatal });
const restart: DevEvent = { kind: "restart" };
const stop: DevEvent = { kind: "stop" };

describe("a restart", () => {
  test("starts a new node beside the old one", () =>
    expect(after(ready(1), restart)).toBe("start 2"));
  test("retires the old one when the new one is ready, not before", () =>
    expect(after(ready(1), restart, ready(2))).toBe("serving 2, retire 1"));
  test("asked for while one is under way happens once more behind it", () => {
    expect(after(ready(1), restart, restart, restart)).toBe("");
    expect(after(ready(1), restart, restart, ready(2))).toBe("serving 2, retire 1, start 3");
    expect(after(ready(1), restart, restart, ready(2), ready(3))).toBe("serving 3, retire 2");
  });
  test("whose node cannot start leaves the old one in place", () => {
    expect(after(ready(1), restart, refused(2))).toBe("kept");
    expect(after(ready(1), restart, refused(2), exited(2, 2))).toBe("");
    expect(after(ready(1), restart, refused(2, true))).toBe("kept");
  });
  test("whose node ends without a word leaves the old one in place", () =>
    expect(after(ready(1), restart, exited(2, 1))).toBe("died, kept"));
  test("after a refused one is tried again", () =>
    expect(after(ready(1), restart, refused(2), restart, ready(3))).toBe("serving 3, retire 1"));
  test("cuts the oldest of those that still move their clients away when there are too many", () => {
    expect(after(ready(1), restart, ready(2), restart, ready(3), restart, ready(4))).toBe(
      "serving 4, retire 3, kill 1",
    );
    expect(
      after(ready(1), restart, ready(2), exited(1), restart, ready(3), restart, ready(4)),
    ).toBe("serving 4, retire 3");
  });
});

describe("the first node", () => {
  test("is started at once", () => expect(after()).toBe("start 1"));
  test("with a broken contract waits for a better one", () => {
    expect(after(refused(1))).toBe("idle");
    expect(after(refused(1), exited(1, 2), restart)).toBe("start 2");
  });
  test("that can never start ends dev", () =>
    expect(after(refused(1, true))).toBe("end-all, finish false"));
  test("that was edited meanwhile is tried again at once", () =>
    expect(after(restart, refused(1))).toBe("start 2"));
});

describe("a node that dies while it serves", () => {
  test("is replaced after a moment", () => {
    expect(after(ready(1), exited(1, 1))).toBe("died, wait");
    expect(after(ready(1), exited(1, 1), { kind: "waited" })).toBe("start 2");
  });
  test("while its successor starts is replaced by that one", () => {
    expect(after(ready(1), restart, exited(1, 1))).toBe("died");
    expect(after(ready(1), restart, exited(1, 1), ready(2))).toBe("serving 2");
  });
  test("again and again ends dev, unless somebody asked for a restart", () => {
    const plan = new DevPlan();
    plan.begin();
    const die = (child: number) =>
      shown([
        ...plan.handle(ready(child)),
        ...plan.handle(exited(child, 1)),
        ...plan.handle({ kind: "waited" }),
      ]);
    for (let child = 1; child <= 5; child++)
      expect(die(child)).toBe(`serving ${child}, died, wait, start ${child + 1}`);
    expect(die(6)).toBe("serving 6, died, end-all, finish false");
  });
  test("is waited for longer each time", () => {
    const plan = new DevPlan();
    plan.begin();
    const waits = [1, 2, 3].map((child) => {
      plan.handle(ready(child));
      const wait = plan.handle(exited(child, 1)).find((effect) => effect.kind === "wait");
      plan.handle({ kind: "waited" });
      return wait?.kind === "wait" ? wait.ms : 0;
    });
    expect(waits).toEqual([200, 400, 800]);
  });
});

describe("stopping", () => {
  test("ends every node and finishes when the last is gone", () => {
    expect(after(ready(1), restart, ready(2), stop)).toBe("end-all");
    expect(after(ready(1), restart, ready(2), stop, exited(2))).toBe("");
    expect(after(ready(1), restart, ready(2), stop, exited(2), exited(1))).toBe("finish true");
  });
  test("with nobody running finishes at once", () =>
    expect(after(refused(1), stop)).toBe("finish true"));
  test("starts nothing any more", () => {
    for (const event of [restart, ready(2), refused(2), { kind: "waited" } as const])
      expect(after(ready(1), stop, event)).toBe("");
  });
});

test("in any order of events: at most one node starts, none is started twice, and what serves was ready", () => {
  const event: fc.Arbitrary<DevEvent> = fc.oneof(
    fc.constantFrom<DevEvent>(restart, restart, { kind: "waited" }),
    fc.record({ kind: fc.constant("ready" as const), child: fc.nat(8) }),
    fc.record({ kind: fc.constant("refused" as const), child: fc.nat(8), fatal: fc.boolean() }),
    fc.record({ kind: fc.constant("exited" as const), child: fc.nat(8), status: fc.nat(2) }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 40 }), (events) => {
      const plan = new DevPlan();
      const started = new Set<number>();
      const gone = new Set<number>();
      let finished = false;
      const take = (effects: readonly DevEffect[]) => {
        for (const effect of effects) {
          expect(finished).toBe(false);
          if (effect.kind === "start") {
            expect(started.has(effect.child)).toBe(false);
            started.add(effect.child);
          }
          if (effect.kind === "serving")
            expect(started.has(effect.child) && !gone.has(effect.child)).toBe(true);
          if (effect.kind === "finish") finished = true;
        }
      };
      take(plan.begin());
      for (const one of events) {
        // Only processes that were started and live say anything.
        if ("child" in one && (!started.has(one.child) || gone.has(one.child))) continue;
        if (one.kind === "exited") gone.add(one.child);
        if (!finished) take(plan.handle(one));
      }
    }),
    { numRuns: 500 },
  );
});
