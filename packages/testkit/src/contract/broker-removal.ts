// Owns: contract tests of removing history: every node with the channel learns of it, in order.
import { describe, expect, test } from "bun:test";
import { type Bench, json, LATEST, ORDERED, offsetsOf, Recorder, range } from "./broker-harness.ts";

export function describeRemoval(bench: () => Bench): void {
  describe("removal", () => {
    for (const stream of [ORDERED, LATEST]) {
      test(`${stream.cls}: every listener is told behind what was removed and before what comes next`, async () => {
        const brokers = await Promise.all(["n1", "n2"].map((nodeId) => bench().connect(nodeId)));
        const recorders = brokers.map(() => new Recorder());
        for (const [index, broker] of brokers.entries())
          await broker.subscribe("c", stream, recorders[index] ?? new Recorder());
        const [broker] = brokers;
        const calls: Promise<unknown>[] = [];
        const publish = (value: number): void =>
          void calls.push(
            broker?.publish("c", stream, { payload: json(value), key: "k" }) ?? Promise.resolve(),
          );
        for (const value of range(1, 3)) publish(value);
        calls.push(broker?.removeHistory("c", stream) ?? Promise.resolve());
        for (const value of range(4, 5)) publish(value);
        await Promise.all(calls);
        const published = (from: number, to: number) =>
          range(from, to).map((offset) => `published ${offset}`);
        for (const recorder of recorders) {
          await bench().eventually(() =>
            expect(recorder.order).toEqual([...published(1, 3), "removed 3", ...published(4, 5)]),
          );
        }
      });
    }

    test("nothing removed is delivered after the removal was acknowledged or told", async () => {
      const brokers = await Promise.all(["n1", "n2", "n3"].map((id) => bench().connect(id)));
      const recorders = brokers.map(() => new Recorder());
      for (const [index, broker] of brokers.entries())
        await broker.subscribe("c", ORDERED, recorders[index] ?? new Recorder());
      const removals: number[] = [];
      for (const round of range(1, 5)) {
        const publishing = range(1, 30).map((index) =>
          brokers[index % 3]?.publish("c", ORDERED, { payload: json(index) }),
        );
        const removed = await brokers[round % 3]?.removeHistory("c", ORDERED);
        const offset = removed?.offset ?? 0;
        removals.push(offset);
        for (const broker of brokers) {
          const page = await broker.history("c", ORDERED, { after: 0, limit: 1_000 });
          expect(page.oldest).toBeGreaterThan(offset);
          expect(offsetsOf(page.publications).filter((found) => found <= offset)).toEqual([]);
        }
        const late = new Recorder();
        const newcomer = await bench().connect(`late ${round}`);
        expect((await newcomer.subscribe("c", ORDERED, late)).offset).toBeGreaterThanOrEqual(
          offset,
        );
        await Promise.all(publishing);
        await bench().eventually(() => {
          for (const recorder of recorders) expect(recorder.offsets.length).toBe(30 * round);
        });
        for (const found of late.offsets) expect(found).toBeGreaterThan(offset);
        newcomer.unsubscribe("c");
      }
      for (const { order } of recorders) {
        const told = order.filter((event) => event.startsWith("removed"));
        expect(told).toEqual(removals.map((offset) => `removed ${offset}`));
        for (const offset of removals) {
          const behind = order.slice(order.indexOf(`removed ${offset}`) + 1);
          const later = behind.filter((event) => event.startsWith("published"));
          for (const event of later) expect(Number(event.split(" ")[1])).toBeGreaterThan(offset);
        }
      }
    });

    test("a node that was out of reach finds that it is gone from where the history begins", async () => {
      const { reach } = bench().harness;
      if (reach === undefined) return;
      const [cutOff, other] = [await bench().connect("n1"), await bench().connect("n2")];
      const recorder = new Recorder();
      await cutOff.subscribe("c", ORDERED, recorder);
      for (const value of range(1, 3)) await other.publish("c", ORDERED, { payload: json(value) });
      await bench().eventually(() => expect(recorder.offsets).toEqual([1, 2, 3]));
      await reach.cut("n1");
      await other.removeHistory("c", ORDERED);
      await reach.heal("n1");
      await bench().eventually(() => cutOff.probe());
      const page = await cutOff.history("c", ORDERED, { after: 3, limit: 10 });
      expect([page.oldest, page.head, page.publications.length, page.more]).toEqual([
        4,
        3,
        0,
        false,
      ]);
    });

    test("removing from a channel that nobody published to is told too", async () => {
      const broker = await bench().connect("n1");
      const recorder = new Recorder();
      await broker.subscribe("c", ORDERED, recorder);
      await broker.removeHistory("c", ORDERED);
      await bench().eventually(() => expect(recorder.order).toEqual(["removed 0"]));
    });
  });
}
