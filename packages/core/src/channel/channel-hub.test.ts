import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";
import { COMMANDS_CHANNEL } from "../control/command-log.ts";
import type { Broker, HistoryPage } from "../ports.ts";

const open = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { permissions: open, history: { size: 200, ttlMs: 60_000 } },
    "one:{room}": { permissions: open, history: { size: 1, ttlMs: 60_000 } },
  },
};

/** A node that does not hear of the publications at `lost`; `page` changes what it reads. */
const nodeThatMisses = (
  lost: readonly number[],
  page: (found: HistoryPage) => HistoryPage = (found) => found,
) =>
  createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { subscribe, history } = broker;
      broker.subscribe = (channel, stream, listener) =>
        subscribe.call(broker, channel, stream, {
          presence: (change) => listener.presence(change),
          removed: (offset, epoch) => listener.removed(offset, epoch),
          publication: (publication, epoch) => {
            if (!lost.includes(publication.offset)) listener.publication(publication, epoch);
          },
        });
      broker.history = async (...args: Parameters<Broker["history"]>) => {
        const found = await history.apply(broker, args);
        return args[0] === COMMANDS_CHANNEL ? found : page(found);
      };
      return broker;
    },
  });
const publish = (client: HandClient, ch: string, count: number) =>
  client.send(
    ...Array.from(
      { length: count },
      (_, i) => ({ t: "publish", id: 100 + i, ch, data: i }) as const,
    ),
  );
const told = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame): readonly (string | number)[] =>
    frame.t === "pub" ? [frame.o] : frame.t === "gap" ? [`${frame.from}-${frame.to}`] : [],
  );

test("a history that never says what became of the next one is not believed for ever", async () => {
  const { connect, advance } = await nodeThatMisses([1], (found) => ({
    ...found,
    oldest: 1,
    publications: [],
    more: false,
  }));
  const [reader, writer] = [await connect(), await connect()];
  await reader.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await publish(writer, "chat:a", 2);
  await advance(500);
  expect(told(await reader.take())).toEqual([]);
  await advance(60_000);
  expect(told(await reader.take())).toEqual(["1-1", 2]);
});

test("who comes back from before a declared hole is told of it, also by a node that has what is around it", async () => {
  const { connect, advance } = await nodeThatMisses([3]);
  const [reader, writer] = [await connect(), await connect()];
  await reader.send({ t: "subscribe", id: 2, ch: "one:a" });
  await publish(writer, "one:a", 2);
  await publish(writer, "one:a", 2);
  await advance(5000);
  const frames = await reader.take();
  expect(told(frames)).toEqual([1, 2, "3-3", 4]);
  const pub = frames.find((frame) => frame.t === "subscribed");
  const epoch = pub?.t === "subscribed" ? pub.pos.epoch : "";
  const late = await connect();
  await late.send({ t: "subscribe", id: 2, ch: "one:a", pos: { epoch, offset: 2 } });
  expect(told(await late.take())).toEqual(["3-3", 4]);
});
