// Checks which node of a fleet starts, serves and leaves when, in every order of events.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { FleetPlan, STEADY_MS } from "./fleet-plan.ts";
import type { DevEffect, DevEvent } from "./plan.ts";

const ready = (child: number): DevEvent => ({ kind: "ready", child });
const exited = (child: number, status = 0, servedMs?: number): DevEvent => ({
  kind: "exited",
  child,
  status,
  ...(servedMs === undefined ? {} : { servedMs }),
});
const refused = (child: number, fatal = false): DevEvent => ({ kind: "refused", child, fatal });
const restart: DevEvent = { kind: "restart" };
const waited: DevEvent = { kind: "waited" };
const stop: DevEvent = { kind: "stop" };

/** Three nodes that serve: 1, 2 and 3. */
const three = [ready(1), ready(2), ready(3)];

/** What a plan of three nodes did at the last of these events. */
function after(...events: readonly DevEvent[]): string {
  const plan = new FleetPlan(3);
  let effects = plan.begin();
  for (const event of events) effects = plan.handle(event);
  return effects.map(shown).join(", ");
}

function shown(effect: DevEffect): string {
  switch (effect.kind) {
    case "start":
      return `start ${effect.child} as ${"abc"[effect.place?.slot ?? 9]}${effect.place?.life} of dev-${effect.place?.revision}`;
    case "wait":
      return `wait ${effect.ms}`;
    case "finish":
      return `finish ${effect.ok}`;
    case "serving":
      return effect.replaced ? "all replaced" : "all serve";
    default:
      return "child" in effect ? `${effect.kind} ${effect.child}` : effect.kind;
  }
}

describe("the beginning", () => {
  test("is one node, and the others when that one could start", () => {
    expect(after()).toBe("start 1 as a1 of dev-1");
    expect(after(ready(1))).toBe("joined 1, start 2 as b1 of dev-1, start 3 as c1 of dev-1");
    expect(after(ready(1), ready(3), ready(2))).toBe("joined 2, all serve");
  });
  test("with a broken contract waits for a better one", () => {
    expect(after(refused(1))).toBe("idle");
    expect(after(refused(1), exited(1, 2), restart)).toBe("start 2 as a2 of dev-2");
  });
  test("that was edited meanwhile is tried again at once", () =>
    expect(after(restart, refused(1))).toBe("start 2 as a2 of dev-2"));
  test("that can never work ends dev", () =>
    expect(after(refused(1, true))).toBe("end-all, finish false"));
});

describe("a roll", () => {
  const first = [...three, restart];
  test("replaces one place after the other: ready before the old one goes, and gone before the next begins", () => {
    expect(after(...first)).toBe("start 4 as a2 of dev-2");
    expect(after(...first, ready(4))).toBe("joined 4, retire 1");
    expect(after(...first, ready(4), exited(1))).toBe("start 5 as b2 of dev-2");
    const second = [...first, ready(4), exited(1), ready(5), exited(2), ready(6)];
    expect(after(...second)).toBe("joined 6, retire 3");
    expect(after(...second, exited(3))).toBe("all replaced");
  });
  test("whose first node cannot start leaves everything in place", () => {
    expect(after(...first, refused(4))).toBe("kept");
    expect(after(...first, exited(4, 1))).toBe("died 4, kept");
    expect(after(...first, refused(4), exited(4), restart)).toBe("start 5 as a3 of dev-3");
  });
  test("that is asked for while one is under way follows it as one more", () => {
    const twice = [
      ...first,
      restart,
      restart,
      ready(4),
      exited(1),
      ready(5),
      exited(2),
      ready(6),
      exited(3),
    ];
    expect(after(...twice)).toBe("all replaced, start 7 as a3 of dev-3");
  });
  test("goes on when a new node is killed while it starts and another of its revision serves", () => {
    const killed = [...first, ready(4), exited(1), exited(5, 137)];
    expect(after(...killed)).toBe("died 5, wait 200");
    expect(after(...killed, waited)).toBe("start 6 as b3 of dev-2");
  });
  test("goes on when an old node is killed while it leaves", () =>
    expect(after(...first, ready(4), exited(1, 137))).toBe("start 5 as b2 of dev-2"));
});

describe("a node that dies", () => {
  test("is replaced in its place after a moment, by one of the revision that serves", () => {
    expect(after(...three, exited(2, 137))).toBe("died 2, wait 200");
    expect(after(...three, exited(2, 137), waited)).toBe("start 4 as b2 of dev-1");
    expect(after(...three, restart, refused(4), exited(2, 137), waited)).toBe(
      "start 5 as b2 of dev-1",
    );
  });
  test("is waited for longer each time, but not when the one before had served for long, and 10 s at most", () => {
    const waits = (servedMs: number) => {
      const plan = new FleetPlan(2);
      plan.begin();
      for (const event of [ready(1), ready(2)]) plan.handle(event);
      return Array.from({ length: 9 }, (_, round) => {
        const child = 2 + round;
        const [, wait] = plan.handle(exited(child, 1, servedMs));
        plan.handle(waited);
        plan.handle(ready(child + 1));
        return wait?.kind === "wait" ? wait.ms : 0;
      });
    };
    expect(waits(0)).toEqual([200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
    expect(waits(STEADY_MS)).toEqual(Array.from({ length: 9 }, () => 200));
  });
  test("whose place's next one is refused stays away while the others serve", () =>
    expect(after(...three, exited(2, 1), waited, refused(4), waited)).toBe(""));
  test("again and again with nobody left ends dev", () => {
    const plan = new FleetPlan(1);
    plan.begin();
    const die = (child: number) =>
      [plan.handle(ready(child)), plan.handle(exited(child, 1)), plan.handle(waited)]
        .flat()
        .map(shown)
        .join();
    for (let child = 1; child <= 5; child++) expect(die(child)).toContain(`start ${child + 1}`);
    expect(die(6)).toContain("finish false");
  });
});

describe("stopping", () => {
  test("ends every node, those that start and leave too, and finishes with the last", () => {
    const rolling = [...three, restart, ready(4), stop];
    expect(after(...rolling)).toBe("end-all");
    expect(after(...rolling, exited(1), exited(2), exited(3))).toBe("");
    expect(after(...rolling, exited(1), exited(2), exited(3), exited(4))).toBe("finish true");
  });
  test("starts nothing any more", () => {
    for (const event of [restart, ready(2), refused(2), waited])
      expect(after(ready(1), stop, event)).toBe("");
  });
});

test("in any order of events: one node leaves at a time, and only for one of its place that serves; whatever happens, calm brings all places back", () => {
  const choice = fc.record({
    what: fc.constantFrom("restart", "ready", "refused", "killed", "gone", "waited"),
    which: fc.nat(20),
  });
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(choice, { maxLength: 60 }),
      (size, choices) => {
        const plan = new FleetPlan(size);
        const world = new World(size, plan);
        for (const { what, which } of choices) world.happen(what, which);
        if (!world.finished) world.calm();
      },
    ),
    { numRuns: 500 },
  );
});

/** Processes that do what they are told. */
class World {
  finished = false;
  readonly #plan: FleetPlan;
  readonly #size: number;
  readonly #slotOf = new Map<number, number>();
  readonly #starting = new Set<number>();
  readonly #serving = new Set<number>();
  readonly #leaving = new Set<number>();
  #waits = 0;

  constructor(size: number, plan: FleetPlan) {
    this.#plan = plan;
    this.#size = size;
    this.#take(plan.begin());
  }

  happen(what: string, which: number): void {
    if (this.finished) return;
    const one = (set: ReadonlySet<number>) => [...set][which % Math.max(1, set.size)];
    if (what === "restart") return this.#tell(restart);
    if (what === "waited") return this.#waits > 0 ? this.#waited() : undefined;
    const child = one(
      what === "gone"
        ? this.#leaving
        : what === "killed"
          ? new Set([...this.#starting, ...this.#serving])
          : this.#starting,
    );
    if (child === undefined) return;
    if (what === "ready") {
      this.#starting.delete(child);
      this.#serving.add(child);
      return this.#tell(ready(child));
    }
    for (const set of [this.#starting, this.#serving, this.#leaving]) set.delete(child);
    this.#tell(what === "refused" ? refused(child) : exited(child, 1));
  }

  /** Everything goes well from now on. */
  calm(): void {
    this.#tell(restart);
    for (let step = 0; step < 200 && !this.finished; step++) {
      if (this.#waits > 0) this.#waited();
      this.happen("ready", 0);
      this.happen("gone", 0);
    }
    if (this.finished) return;
    expect([...this.#serving].map((child) => this.#slotOf.get(child)).sort()).toEqual(
      Array.from({ length: this.#size }, (_, slot) => slot),
    );
    expect([this.#starting.size, this.#leaving.size]).toEqual([0, 0]);
  }

  #waited(): void {
    this.#waits--;
    this.#tell(waited);
  }

  #tell(event: DevEvent): void {
    this.#take(this.#plan.handle(event));
  }

  #take(effects: readonly DevEffect[]): void {
    for (const effect of effects) {
      expect(this.finished).toBe(false);
      if (effect.kind === "start") {
        expect(this.#slotOf.has(effect.child)).toBe(false);
        this.#slotOf.set(effect.child, effect.place?.slot ?? -1);
        this.#starting.add(effect.child);
        const rivals = [...this.#starting].filter(
          (child) => this.#slotOf.get(child) === effect.place?.slot,
        );
        expect(rivals).toEqual([effect.child]);
      } else if (effect.kind === "retire") {
        expect(this.#leaving.size).toBe(0);
        const slot = this.#slotOf.get(effect.child);
        expect([...this.#serving].filter((child) => this.#slotOf.get(child) === slot)).toHaveLength(
          2,
        );
        this.#serving.delete(effect.child);
        this.#leaving.add(effect.child);
      } else if (effect.kind === "wait") this.#waits++;
      else if (effect.kind === "finish") this.finished = true;
    }
    expect(this.#waits).toBeLessThanOrEqual(1);
  }
}
