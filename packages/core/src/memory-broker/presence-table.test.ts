import { expect, test } from "bun:test";
import fc from "fast-check";
import type { PresenceChange, PresenceMember } from "../index.ts";
import { nodeOf, PresenceTable } from "./presence-table.ts";

const LIMITS = { presenceBytesMax: 1e6, membersMax: 1000, nodesMax: 100, firstLeaseMs: 100 };

interface NaiveEntry {
  member: PresenceMember;
  owner: string;
  leaveAtMs: number | undefined;
}

/** The rules of the port one by one, over a plain list. */
class NaivePresence {
  entries: NaiveEntry[] = [];
  readonly leases = new Map<string, number>();

  enter(member: PresenceMember, owner: string, nowMs: number): string[] {
    const node = owner.split("/")[0] ?? "";
    if (!this.leases.has(node)) this.leases.set(node, nowMs + LIMITS.firstLeaseMs);
    const known = this.entries.find((entry) => entry.member.member === member.member);
    if (known === undefined) {
      this.entries.push({ member, owner, leaveAtMs: undefined });
      return [`join ${member.member}`];
    }
    const same = JSON.stringify(known.member) === JSON.stringify(member);
    Object.assign(known, { member, owner, leaveAtMs: undefined });
    return same ? [] : [`update ${member.member}`];
  }

  leave(id: string, owner: string, graceMs: number, nowMs: number): string[] {
    const known = this.entries.find((entry) => entry.member.member === id && entry.owner === owner);
    if (known === undefined) return [];
    if (graceMs === 0) return this.#end((entry) => entry === known);
    known.leaveAtMs = nowMs + graceMs;
    return [];
  }

  expire(nowMs: number): string[] {
    const dead = [...this.leases].filter(([, endsAtMs]) => endsAtMs <= nowMs).map(([node]) => node);
    const told = this.#end(({ owner, leaveAtMs }) =>
      leaveAtMs === undefined ? dead.includes(owner.split("/")[0] ?? "") : leaveAtMs <= nowMs,
    );
    for (const node of dead) this.leases.delete(node);
    return told;
  }

  #end(ends: (entry: NaiveEntry) => boolean): string[] {
    const ended = this.entries.filter(ends);
    this.entries = this.entries.filter((entry) => !ended.includes(entry));
    return ended.map((entry) => `leave ${entry.member.member}`);
  }
}

const told = (change: PresenceChange | string | undefined): string[] => {
  if (change === undefined || typeof change === "string") return [];
  return [`${change.kind} ${change.kind === "leave" ? change.member : change.member.member}`];
};

const id = fc.constantFrom("m1", "m2", "m3", "__proto__");
const owner = fc.constantFrom("n1/1", "n1/2", "n2/1", "n3/1");
const step = fc.oneof(
  fc.record({
    do: fc.constant("enter" as const),
    id,
    owner,
    data: fc.option(fc.constantFrom("1", "2"), { nil: undefined }),
    whose: fc.constantFrom({}, { party: "u:a" }, { party: "u:b" }),
  }),
  fc.record({
    do: fc.constant("leave" as const),
    id,
    owner,
    graceMs: fc.constantFrom(0, 5, 30, 60),
  }),
  fc.record({
    do: fc.constant("renew" as const),
    node: fc.constantFrom("n1", "n2", "n3"),
    ttlMs: fc.constantFrom(10, 50, 200),
  }),
  fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 40 }) }),
);

test("a presence table behaves like the port's rules over a plain list", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const table = new PresenceTable(LIMITS);
      const naive = new NaivePresence();
      let nowMs = 0;
      for (const action of steps) {
        if (action.do === "wait") {
          nowMs += action.ms;
          const next = table.nextDeadlineMs();
          const found = table.expire(nowMs).flatMap(({ change }) => told(change));
          expect(found.sort()).toEqual(naive.expire(nowMs).sort());
          // A deadline that was not announced in time would be told late.
          if (found.length > 0) expect(next !== undefined && next <= nowMs).toBe(true);
        } else if (action.do === "enter") {
          const member = {
            member: action.id,
            ...(action.data === undefined
              ? {}
              : { data: { kind: "json", text: action.data } as const }),
          };
          expect(told(table.enter("c", member, action.owner, { ...action.whose, nowMs }))).toEqual(
            naive.enter(member, action.owner, nowMs),
          );
        } else if (action.do === "leave") {
          const { id: member, owner: by, graceMs } = action;
          expect(told(table.leave("c", member, by, { graceMs, nowMs }))).toEqual(
            naive.leave(member, by, graceMs, nowMs),
          );
        } else {
          table.renew(action.node, action.ttlMs, nowMs);
          naive.leases.set(action.node, nowMs + action.ttlMs);
        }
        expect(table.members("c").members).toEqual(naive.entries.map(({ member }) => member));
        expect(table.count).toBe(naive.entries.length);
      }
      table.expire(nowMs + 1000);
      const { bytes, count, parties } = table;
      expect([bytes, count, parties, table.nextDeadlineMs()]).toEqual([0, 0, 0, undefined]);
    }),
    { numRuns: 600 },
  );
});

test("entering and leaving again and again under a long grace does not grow the queue of pending leaves", () => {
  const table = new PresenceTable(LIMITS);
  for (let round = 0; round < 5_000; round++) {
    table.enter("c", { member: "m" }, "n/1", { nowMs: round, membersMax: 1000 });
    table.leave("c", "m", "n/1", { graceMs: 1_000_000, nowMs: round });
  }
  expect(table.pendingSize).toBeLessThan(100);
  expect(table.expire(1_004_999).length).toBe(1);
});

test("a node id may hold slashes", () => {
  expect([nodeOf("a/b/12"), nodeOf("n1/1"), nodeOf("whole")]).toEqual(["a/b", "n1", "whole"]);
});

test("another user or other data is an update, and the same is none", () => {
  const table = new PresenceTable(LIMITS);
  const at = { nowMs: 0, membersMax: 10 };
  const json = (text: string) => ({ kind: "json", text }) as const;
  const bytes = (...list: number[]) => ({ kind: "bytes", bytes: Uint8Array.of(...list) }) as const;
  const enter = (more: Partial<PresenceMember>) =>
    told(table.enter("a", { member: "m", ...more }, "n/1", at)).length;
  expect(enter({ user: "u" })).toBe(1);
  expect(enter({ user: "u" })).toBe(0);
  expect(enter({ user: "v" })).toBe(1);
  expect(enter({})).toBe(1);
  expect(enter({ data: json("1") })).toBe(1);
  expect(enter({ data: json("1") })).toBe(0);
  expect(enter({ data: json("2") })).toBe(1);
  expect(enter({ data: bytes(1, 2) })).toBe(1);
  expect(enter({ data: bytes(1, 2) })).toBe(0);
  expect(enter({ data: bytes(1, 3) })).toBe(1);
  expect(enter({ data: bytes(1, 3, 0) })).toBe(1);
  expect(enter({ data: json("1") })).toBe(1);
  expect(enter({})).toBe(1);
  expect(table.count).toBe(1);
});

test("a channel without members takes no place, however its last one went", () => {
  const table = new PresenceTable(LIMITS);
  const at = { nowMs: 0, membersMax: 10 };
  for (const [channel, member] of [
    ["a", "1"],
    ["a", "2"],
    ["b", "3"],
    ["c", "4"],
  ] as const)
    table.enter(channel, { member }, `n${channel}/1`, at);
  expect(table.channelCount).toBe(3);
  table.leave("a", "1", "na/1", { graceMs: 0, nowMs: 0 });
  expect(table.channelCount).toBe(3);
  table.leave("a", "2", "na/1", { graceMs: 0, nowMs: 0 });
  expect(table.channelCount).toBe(2);
  table.leave("b", "3", "nb/1", { graceMs: 10, nowMs: 0 });
  table.expire(10);
  expect(table.channelCount).toBe(1);
  table.expire(LIMITS.firstLeaseMs);
  expect([table.channelCount, table.count, table.bytes]).toEqual([0, 0, 0]);
});

test("a node beyond nodesMax gets no lease and enters nobody, until another's lease has ended", () => {
  const table = new PresenceTable({ ...LIMITS, nodesMax: 2 });
  const at = { nowMs: 0, membersMax: 10 };
  expect([table.renew("a", 50, 0), table.renew("b", 500, 0), table.renew("c", 500, 0)]).toEqual([
    true,
    true,
    false,
  ]);
  expect(table.enter("x", { member: "m" }, "c/1", at)).toBe("full");
  expect(table.count).toBe(0);
  expect(table.renew("a", 60, 0)).toBe(true);
  table.expire(60);
  expect(table.renew("c", 500, 60)).toBe(true);
  expect(table.enter("x", { member: "m" }, "c/1", { ...at, nowMs: 60 })).toMatchObject({
    kind: "join",
  });
});
