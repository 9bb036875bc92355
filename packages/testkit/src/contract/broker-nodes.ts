// Owns: contract tests of the bus, of losing the broker and finding it again, and of the end.
import { describe, expect, test } from "bun:test";
import type { Broker, BusMessage } from "@holdfast/core";
import {
  type Bench,
  json,
  memberIds,
  membersOf,
  ORDERED,
  offsetsOf,
  Recorder,
  range,
  refusalOf,
} from "./broker-harness.ts";

export function describeNodes(bench: () => Bench): void {
  describe("the bus", () => describeBus(bench));
  describe("out of reach", () => describeReach(bench));
  describe("the end", () => describeEnd(bench));
}

const kick = (from: string, session: string): BusMessage => ({
  kind: "disconnect",
  from,
  session,
  code: "disconnected",
  beforeMs: 1,
});

function listening(broker: Broker): BusMessage[] {
  const heard: BusMessage[] = [];
  broker.bus.listen((message) => heard.push(message));
  return heard;
}

function describeBus(bench: () => Bench): void {
  test("every node hears a message, the sender too, in the sender's order", async () => {
    const brokers = await Promise.all(["n1", "n2", "n3"].map((nodeId) => bench().connect(nodeId)));
    const heard = brokers.map(listening);
    const sent: BusMessage[] = [
      ...range(1, 10).map((index) => kick("n1", `s${index}`)),
      { kind: "unsubscribe", from: "n1", user: "ada", channel: "__proto__" },
    ];
    await Promise.all(sent.map((message) => brokers[0]?.bus.send(message)));
    for (const messages of heard) await bench().eventually(() => expect(messages).toEqual(sent));
  });

  test("several listeners of a node hear each message, never inside send", async () => {
    const broker = await bench().connect("n1");
    const [first, second] = [listening(broker), listening(broker)];
    const sending = broker.bus.send(kick("n1", "s1"));
    expect([first.length, second.length]).toEqual([0, 0]);
    await sending;
    await bench().eventually(() => expect([first.length, second.length]).toEqual([1, 1]));
  });
}

function describeReach(bench: () => Bench): void {
  /** The harness's switch, or undefined where it has none: then there is nothing to test. */
  const reach = () => bench().harness.reach;

  test("out of reach every call is refused as unavailable; the other nodes go on", async () => {
    const switches = reach();
    if (switches === undefined) return;
    const [cutOff, other] = [await bench().connect("n1"), await bench().connect("n2")];
    await switches.cut("n1");
    const calls = [
      cutOff.publish("c", ORDERED, { payload: json(1) }),
      cutOff.subscribe("c", ORDERED, new Recorder()),
      cutOff.history("c", ORDERED, { limit: 1 }),
      cutOff.removeHistory("c", ORDERED),
      cutOff.channels({ prefix: "", limit: 1 }),
      cutOff.presence.enter("c", { member: "m" }, "n1/1"),
      cutOff.presence.leave("c", "m", "n1/1", 0),
      membersOf(cutOff, "c"),
      cutOff.presence.renew("n1", 1_000),
      cutOff.bus.send(kick("n1", "s")),
      cutOff.probe(),
    ];
    for (const code of await Promise.all(calls.map(refusalOf))) expect(code).toBe("unavailable");
    await other.probe();
    await other.publish("c", ORDERED, { payload: json(1) });
    await switches.heal("n1");
    await bench().eventually(() => cutOff.probe());
    expect((await cutOff.publish("c", ORDERED, { payload: json(2) })).position.offset).toBe(2);
  });

  test("back in reach onReconnect tasks run, every subscription lives again, and history has what was missed", async () => {
    const switches = reach();
    if (switches === undefined) return;
    const [cutOff, other] = [await bench().connect("n1"), await bench().connect("n2")];
    const recorders = range(0, 4).map(() => new Recorder());
    for (const [index, recorder] of recorders.entries())
      await cutOff.subscribe(`c${index}`, ORDERED, recorder);
    let reconnects = 0;
    cutOff.onReconnect(() => {
      reconnects += 1;
    });
    cutOff.onReconnect(() => {
      reconnects += 10;
    });
    for (const round of range(1, 2)) {
      await switches.cut("n1");
      for (const index of range(0, 4))
        await other.publish(`c${index}`, ORDERED, { payload: json("missed") });
      await switches.heal("n1");
      await bench().eventually(() => expect(reconnects).toBe(11 * round));
      for (const index of range(0, 4))
        await other.publish(`c${index}`, ORDERED, { payload: json("heard") });
      for (const recorder of recorders)
        await bench().eventually(() => expect(recorder.offsets.at(-1)).toBe(2 * round));
    }
    // A broker may or may not hand on what was published while the node was out of reach; never
    // twice and never out of order.
    for (const { offsets } of recorders)
      expect(offsets).toEqual([...new Set(offsets)].sort((one, other) => one - other));
    expect(
      offsetsOf((await cutOff.history("c0", ORDERED, { after: 0, limit: 10 })).publications),
    ).toEqual([1, 2, 3, 4]);
  });

  test("what was unsubscribed while out of reach stays silent, and onReconnect is not told at first", async () => {
    const switches = reach();
    if (switches === undefined) return;
    const [ended, kept] = [new Recorder(), new Recorder()];
    let reconnects = 0;
    const cutOff = await bench().connect("n1");
    cutOff.onReconnect(() => {
      reconnects += 1;
    });
    const other = await bench().connect("n2");
    await cutOff.subscribe("ended", ORDERED, ended);
    await cutOff.subscribe("kept", ORDERED, kept);
    expect(reconnects).toBe(0);
    await switches.cut("n1");
    cutOff.unsubscribe("ended");
    await switches.heal("n1");
    await bench().eventually(() => expect(reconnects).toBe(1));
    await other.publish("ended", ORDERED, { payload: json(1) });
    await other.publish("kept", ORDERED, { payload: json(1) });
    await bench().eventually(() => expect(kept.offsets).toEqual([1]));
    expect(ended.heard).toEqual([]);
  });

  test("members of a node that is out of reach stay for its lease and are kept when it comes back in time", async () => {
    const switches = reach();
    if (switches === undefined) return;
    const [cutOff, other] = [await bench().connect("n1"), await bench().connect("n2")];
    const recorder = new Recorder();
    await other.subscribe("c", ORDERED, recorder);
    await cutOff.presence.renew("n1", 5_000);
    await cutOff.presence.enter("c", { member: "m1" }, "n1/1");
    await switches.cut("n1");
    await bench().harness.advance(1_000);
    await switches.heal("n1");
    await bench().eventually(() => cutOff.presence.renew("n1", 5_000));
    expect(memberIds(await membersOf(other, "c"))).toEqual(["m1"]);
    await switches.cut("n1");
    await bench().harness.advance(6_100);
    await bench().eventually(() => expect(recorder.told).toEqual(["join m1", "leave m1"]));
  });
}

function describeEnd(bench: () => Bench): void {
  test("after close every call is refused as closed, listeners are silent and the other nodes go on", async () => {
    const [closing, other] = [await bench().connect("n1"), await bench().connect("n2")];
    const [mine, theirs] = [new Recorder(), new Recorder()];
    const bus = listening(closing);
    await closing.subscribe("c", ORDERED, mine);
    await other.subscribe("c", ORDERED, theirs);
    await closing.close();
    await closing.close();
    expect(await refusalOf(closing.publish("c", ORDERED, { payload: json(1) }))).toBe("closed");
    expect(await refusalOf(closing.subscribe("c", ORDERED, mine))).toBe("closed");
    expect(await refusalOf(membersOf(closing, "c"))).toBe("closed");
    expect(await refusalOf(closing.probe())).toBe("closed");
    closing.unsubscribe("c");
    await other.bus.send(kick("n2", "s"));
    await other.publish("c", ORDERED, { payload: json(1) });
    await bench().eventually(() => expect(theirs.offsets).toEqual([1]));
    expect([mine.heard.length, bus.length]).toEqual([0, 0]);
  });

  test("closing says nothing about members: they stay until their grace or their node's lease ends", async () => {
    const [closing, other] = [await bench().connect("n1"), await bench().connect("n2")];
    await closing.presence.renew("n1", 60_000);
    await closing.presence.enter("c", { member: "m1" }, "n1/1");
    await closing.close();
    expect(memberIds(await membersOf(other, "c"))).toEqual(["m1"]);
  });

  test("a probe resolves while the broker takes publications", async () => {
    const broker = await bench().connect("n1");
    await broker.probe();
    expect(typeof broker.durable).toBe("boolean");
  });
}
