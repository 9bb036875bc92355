// Owns: contract tests of presence: owners, grace, leases of nodes (H7).
import { describe, expect, test } from "bun:test";
import type { Broker } from "@holdfast/core";
import type { Payload } from "@holdfast/protocol";
import {
  type Bench,
  json,
  memberIds,
  membersOf,
  ORDERED,
  plain,
  Recorder,
  range,
  refusalOf,
} from "./broker-harness.ts";

export function describePresence(bench: () => Bench): void {
  describe("presence", () => describeMembers(bench));
  describe("presence of those who move or get lost", () => describeOwners(bench));
  describe("presence of dead nodes", () => describeLeases(bench));
}

/** Two nodes; the recorder listens at the second. */
async function pair(
  bench: Bench,
): Promise<{ readonly a: Broker; readonly b: Broker; readonly recorder: Recorder }> {
  const [a, b] = [await bench.connect("n1"), await bench.connect("n2")];
  const recorder = new Recorder();
  await b.subscribe("c", ORDERED, recorder);
  await a.presence.renew("n1", 60_000);
  await b.presence.renew("n2", 60_000);
  return { a, b, recorder };
}

/**
 * Waits until everything that was told before has arrived: a change of a member of its own is told
 * behind it.
 */
async function quiet(bench: Bench, broker: Broker, recorder: Recorder): Promise<string[]> {
  await broker.presence.enter("c", { member: "marker" }, "n9/9");
  await bench.eventually(() => expect(recorder.told).toContain("join marker"));
  return recorder.told.filter((told) => !told.endsWith("marker"));
}

function describeMembers(bench: () => Bench): void {
  test("a member that enters is told to every node that subscribed and is listed by all", async () => {
    const { a, b, recorder } = await pair(bench());
    const own = new Recorder();
    await a.subscribe("c", ORDERED, own);
    await a.presence.enter("c", { member: "m1", user: "ada", data: json({ name: "Ada" }) }, "n1/1");
    for (const listener of [recorder, own]) {
      await bench().eventually(() =>
        expect(listener.changes).toEqual([
          { kind: "join", member: { member: "m1", user: "ada", data: json({ name: "Ada" }) } },
        ]),
      );
    }
    for (const broker of [a, b]) {
      expect(await membersOf(broker, "c")).toEqual([
        { member: "m1", user: "ada", data: json({ name: "Ada" }) },
      ]);
    }
  });

  test("other data is told as an update, the same data is told as nothing", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1", data: json(1) }, "n1/1");
    await a.presence.enter("c", { member: "m1", data: json(1) }, "n1/1");
    await b.presence.enter("c", { member: "m1", data: json(1) }, "n2/1");
    await b.presence.enter("c", { member: "m1", data: json(2) }, "n2/1");
    await b.presence.enter("c", { member: "m1" }, "n2/1");
    await b.presence.enter("c", { member: "m1" }, "n2/1");
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1", "update m1", "update m1"]);
    expect(recorder.changes[1]).toEqual({
      kind: "update",
      member: { member: "m1", data: json(2) },
    });
    expect(recorder.changes[2]).toEqual({ kind: "update", member: { member: "m1" } });
  });

  test("a leave of the owner without grace is told at once", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1" }, "n1/1");
    await a.presence.leave("c", "m1", "n1/1", 0);
    expect(await membersOf(b, "c")).toEqual([]);
    await a.presence.leave("c", "m1", "n1/1", 0);
    await a.presence.leave("c", "never entered", "n1/1", 0);
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1", "leave m1"]);
  });

  test("a new member beyond membersMax is refused as limit; who is known may enter and update", async () => {
    const { a, b } = await pair(bench());
    const enter = (broker: Broker, member: string, value: number): Promise<void> =>
      broker.presence.enter("c", { member, data: json(value) }, "n1/1", { membersMax: 2 });
    await enter(a, "m1", 1);
    await enter(b, "m2", 1);
    expect(await refusalOf(enter(a, "m3", 1))).toBe("limit");
    await enter(a, "m2", 2);
    await b.presence.leave("c", "m1", "n1/1", 0);
    await enter(a, "m3", 1);
    expect(memberIds(await membersOf(b, "c"))).toEqual(["m2", "m3"]);
  });

  test("whoever may not take more room is refused as share if new or larger, and comes back with what it has", async () => {
    const { a, b } = await pair(bench());
    const enter = (
      broker: Broker,
      [member, owner]: [string, string],
      data: string,
      mayGrow = false,
    ) => broker.presence.enter("c", { member, data: json(data) }, owner, { mayGrow, party: "u:a" });
    await enter(a, ["m1", "n1/1"], "large", true);
    expect(await refusalOf(enter(a, ["m2", "n1/2"], "x"))).toBe("share");
    expect(await refusalOf(enter(a, ["m1", "n1/1"], "much larger"))).toBe("share");
    // It moves to another node, leaves and comes back, and takes less.
    await enter(b, ["m1", "n2/1"], "large");
    await a.presence.leave("c", "m1", "n1/1", 0);
    await b.presence.leave("c", "m1", "n2/1", 10_000);
    await enter(b, ["m1", "n2/2"], "less");
    expect(await membersOf(b, "c")).toEqual([{ member: "m1", data: json("less") }]);
  });

  test("channels have members of their own", async () => {
    const { a, recorder } = await pair(bench());
    for (const channel of ["other", "__proto__", "c"])
      await a.presence.enter(channel, { member: `in ${channel}` }, "n1/1");
    for (const channel of ["other", "__proto__", "c"])
      expect(memberIds(await membersOf(a, channel))).toEqual([`in ${channel}`]);
    expect(await membersOf(a, "constructor")).toEqual([]);
    expect(await quiet(bench(), a, recorder)).toEqual(["join in c"]);
  });

  test("any text is a member's id and any payload is its data, byte for byte", async () => {
    const { a, b } = await pair(bench());
    const payloads: Payload[] = [
      json({ a: "🛶" }),
      { kind: "bytes", bytes: new Uint8Array(0) },
      { kind: "msgpack", bytes: Uint8Array.of(0xc0) },
    ];
    const ids = ["__proto__", "a b:c/d", "🛶"];
    for (const [index, data] of payloads.entries())
      await a.presence.enter("c", { member: ids[index] ?? "", data }, "n1/1");
    const members = await membersOf(b, "c");
    expect(memberIds(members)).toEqual([...ids].sort());
    for (const [index, data] of payloads.entries()) {
      const found = members.find(({ member }) => member === ids[index])?.data;
      expect(found && plain(found)).toEqual(plain(data));
    }
  });

  test("a list of members and the changes told since it was asked for lead to the same members on every node", async () => {
    const { a, b, recorder } = await pair(bench());
    const churn = range(1, 40).map((index) => {
      const member = `m${index % 7}`;
      const broker = index % 2 === 0 ? a : b;
      return index % 3 === 0
        ? broker.presence.leave("c", member, "n1/1", 0)
        : broker.presence.enter("c", { member, data: json(index) }, "n1/1");
    });
    const changesBefore = recorder.changes.length;
    const listed = await membersOf(b, "c");
    await Promise.all(churn);
    for (const member of range(0, 9))
      await a.presence.enter("c", { member: `m${member}`, data: json(member) }, "n1/1");
    await a.presence.leave("c", "m3", "n1/1", 0);
    await bench().eventually(async () => {
      const folded = new Map(listed.map((member) => [member.member, member]));
      for (const change of recorder.changes.slice(changesBefore)) {
        if (change.kind === "leave") folded.delete(change.member);
        else folded.set(change.member.member, change.member);
      }
      const order = (members: Iterable<{ readonly member: string }>) =>
        [...members].sort((one, other) => (one.member < other.member ? -1 : 1));
      expect(order(folded.values())).toEqual(order(await membersOf(a, "c")));
      expect(folded.size).toBe(9);
    });
  });
}

function describeOwners(bench: () => Bench): void {
  test("a leave of a former owner is ignored: who moved stays", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1", data: json(1) }, "n1/1");
    await b.presence.enter("c", { member: "m1", data: json(1) }, "n2/7");
    await a.presence.leave("c", "m1", "n1/1", 0);
    await a.presence.leave("c", "m1", "n1/1", 1_000);
    await a.presence.leave("c", "m1", "n2/70", 0);
    await bench().harness.advance(2_100);
    expect(memberIds(await membersOf(a, "c"))).toEqual(["m1"]);
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1"]);
  });

  test("a leave with grace is told when the grace has passed, and not before", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1" }, "n1/1");
    await a.presence.leave("c", "m1", "n1/1", 2_000);
    expect(memberIds(await membersOf(b, "c"))).toEqual(["m1"]);
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1"]);
    await bench().harness.advance(3_100);
    await bench().eventually(() => expect(recorder.told).toContain("leave m1"));
    expect(memberIds(await membersOf(b, "c"))).toEqual(["marker"]);
  });

  test("who enters again within the grace was never away", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1", data: json(1) }, "n1/1");
    await a.presence.leave("c", "m1", "n1/1", 2_000);
    await b.presence.enter("c", { member: "m1", data: json(1) }, "n2/1");
    await bench().harness.advance(3_100);
    expect(memberIds(await membersOf(a, "c"))).toEqual(["m1"]);
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1"]);
  });

  test("who enters again within the grace with other data is told as an update", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1", data: json(1) }, "n1/1");
    await a.presence.leave("c", "m1", "n1/1", 2_000);
    await b.presence.enter("c", { member: "m1", data: json(2) }, "n2/1");
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1", "update m1"]);
  });

  test("a leave at once ends a pending leave, and entering after the end is a new join", async () => {
    const { a, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1" }, "n1/1");
    await a.presence.leave("c", "m1", "n1/1", 60_000);
    await a.presence.leave("c", "m1", "n1/1", 0);
    await a.presence.enter("c", { member: "m1" }, "n1/2");
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1", "leave m1", "join m1"]);
  });

  test("many members whose grace ends together are each told once", async () => {
    const { a, recorder } = await pair(bench());
    const ids = range(1, 60).map((index) => `m${index}`);
    await Promise.all(ids.map((member, index) => a.presence.enter("c", { member }, `n1/${index}`)));
    await Promise.all(
      ids.map((member, index) => a.presence.leave("c", member, `n1/${index}`, 1_000)),
    );
    await bench().harness.advance(2_100);
    await bench().eventually(() =>
      expect(recorder.told.filter((told) => told.startsWith("leave")).sort()).toEqual(
        ids.map((id) => `leave ${id}`).sort(),
      ),
    );
    expect(await membersOf(a, "c")).toEqual([]);
  });
}

function describeLeases(bench: () => Bench): void {
  test("when a node's lease runs out its members are removed and told; others stay", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1" }, "n1/1");
    await a.presence.enter("c", { member: "m2" }, "n1/2");
    await b.presence.enter("c", { member: "m3" }, "n2/1");
    await a.presence.renew("n1", 2_000);
    expect(memberIds(await membersOf(b, "c"))).toEqual(["m1", "m2", "m3"]);
    await bench().harness.advance(3_100);
    await bench().eventually(() =>
      expect(recorder.told.slice(3).sort()).toEqual(["leave m1", "leave m2"]),
    );
    expect(memberIds(await membersOf(b, "c"))).toEqual(["m3"]);
  });

  test("renewing keeps members as long as it goes on", async () => {
    const { a, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1" }, "n1/1");
    for (const _ of range(1, 3)) {
      await a.presence.renew("n1", 3_000);
      await bench().harness.advance(1_500);
    }
    expect(memberIds(await membersOf(a, "c"))).toEqual(["m1"]);
    expect(await quiet(bench(), a, recorder)).toEqual(["join m1"]);
  });

  test("who moved to another node stays when the first one dies", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1", data: json(1) }, "n1/1");
    await b.presence.enter("c", { member: "m1", data: json(1) }, "n2/1");
    await a.presence.renew("n1", 1_000);
    await bench().harness.advance(2_100);
    expect(memberIds(await membersOf(b, "c"))).toEqual(["m1"]);
    expect(await quiet(bench(), b, recorder)).toEqual(["join m1"]);
  });

  test("a pending leave keeps its grace when the node that asked for it dies", async () => {
    const { a, b, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1", data: json(1) }, "n1/1");
    await a.presence.leave("c", "m1", "n1/1", 60_000);
    await a.presence.renew("n1", 1_000);
    await bench().harness.advance(2_100);
    await b.presence.enter("c", { member: "m1", data: json(1) }, "n2/1");
    expect(await quiet(bench(), b, recorder)).toEqual(["join m1"]);
  });

  test("a node whose lease ran out may enter members again", async () => {
    const { a, recorder } = await pair(bench());
    await a.presence.enter("c", { member: "m1" }, "n1/1");
    await a.presence.renew("n1", 1_000);
    await bench().harness.advance(2_100);
    await bench().eventually(() => expect(recorder.told).toEqual(["join m1", "leave m1"]));
    await a.presence.renew("n1", 60_000);
    await a.presence.enter("c", { member: "m1" }, "n1/1");
    await bench().eventually(() =>
      expect(recorder.told).toEqual(["join m1", "leave m1", "join m1"]),
    );
  });
}
