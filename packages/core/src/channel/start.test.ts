// Owns: tests of where a subscription begins, by the class of its channel and what the client has.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { COMMANDS_CHANNEL } from "../control/command-log.ts";
import type { Broker } from "../ports.ts";

const history = { size: 200, ttlMs: 60_000 };
const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { history },
    "short:{room}": { history: { size: 3, ttlMs: 60_000 } },
    "none:{room}": { history: { size: 0, ttlMs: 60_000 } },
    "fast:{room}": { class: "volatile" },
    "state:{room}": { class: "latest", history },
  },
};
/** The node's ring holds 16 of them, the history what its size says. */
const COUNT = 20;
const from = (first: number) => Array.from({ length: COUNT + 1 - first }, (_, i) => first + i);

async function published(count = COUNT) {
  let reads = 0;
  const node = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    wrapBroker: (broker) => {
      const { history } = broker;
      broker.history = (...args: Parameters<Broker["history"]>) => {
        if (args[0] !== COMMANDS_CHANNEL) reads += 1;
        return history.apply(broker, args);
      };
      return broker;
    },
  });
  const first = await node.connect();
  const publish = async (ch: string): Promise<string> => {
    await first.send({ t: "subscribe", id: 2, ch });
    for (let i = 1; i <= count; i++) {
      const key = `k${i % 4}`;
      await node.engine.publish(ch, { key, payload: { kind: "json", text: `${i}` } });
      await node.settle();
    }
    const [frame] = await first.take();
    return frame?.t === "subscribed" ? frame.pos.epoch : "";
  };
  return { ...node, publish, reads: () => reads };
}
const told = (frames: readonly ServerFrame<unknown>[]) =>
  frames.flatMap((frame): readonly (string | number)[] =>
    frame.t === "pub"
      ? [frame.o]
      : frame.t === "gap"
        ? [`${frame.from}-${frame.to} ${frame.reason}`]
        : [],
  );

interface Row {
  readonly last?: number;
  /** An offset, in the epoch that is or in one that was before. */
  readonly at?: number;
  readonly before?: number;
  readonly begins: number;
  readonly recovered?: true;
  readonly gets: readonly (string | number)[];
  readonly reads?: number;
}
const ROWS: readonly (readonly [string, Row])[] = [
  ["chat:a", { begins: 20, gets: [] }],
  ["chat:a", { last: 0, begins: 20, gets: [] }],
  ["chat:a", { last: 3, begins: 17, gets: [18, 19, 20] }],
  ["chat:a", { last: 18, begins: 2, gets: from(3), reads: 2 }],
  ["chat:a", { last: 100, begins: 0, gets: from(1), reads: 2 }],
  ["chat:a", { at: 20, begins: 20, recovered: true, gets: [] }],
  ["chat:a", { at: 10, begins: 10, recovered: true, gets: from(11) }],
  ["chat:a", { at: 4, begins: 4, recovered: true, gets: from(5) }],
  ["chat:a", { at: 3, begins: 3, recovered: true, gets: from(4), reads: 1 }],
  ["chat:a", { at: 25, begins: 0, gets: ["26-null epoch", ...from(1)], reads: 2 }],
  ["chat:a", { before: 0, begins: 0, gets: ["1-null epoch", ...from(1)], reads: 1 }],
  ["chat:a", { before: 10, begins: 0, gets: ["11-null epoch", ...from(1)], reads: 1 }],
  ["chat:a", { before: 20, begins: 0, gets: ["21-null epoch", ...from(1)], reads: 1 }],
  ["chat:a", { before: 25, begins: 0, gets: ["26-null epoch", ...from(1)], reads: 1 }],
  ["short:a", { last: 18, begins: 17, gets: from(18), reads: 1 }],
  ["short:a", { at: 10, begins: 10, recovered: true, gets: from(11) }],
  ["short:a", { at: 1, begins: 17, gets: ["2-17 history", ...from(18)], reads: 1 }],
  ["short:a", { before: 1, begins: 17, gets: ["2-null epoch", ...from(18)], reads: 1 }],
  ["none:a", { last: 3, begins: 20, gets: [] }],
  ["none:a", { at: 10, begins: 10, recovered: true, gets: from(11) }],
  ["none:a", { at: 1, begins: 20, gets: ["2-20 history"], reads: 1 }],
  ["none:a", { before: 1, begins: 20, gets: ["2-null epoch"], reads: 1 }],
  ["fast:a", { last: 3, begins: 20, gets: [] }],
  ["fast:a", { at: 20, begins: 20, recovered: true, gets: [] }],
  ["fast:a", { at: 10, begins: 20, gets: ["11-20 dropped"] }],
  ["fast:a", { at: 25, begins: 20, gets: ["26-null epoch"], reads: 2 }],
  ["fast:a", { before: 3, begins: 20, gets: ["4-null epoch"], reads: 1 }],
  ["state:a", { begins: 0, gets: from(17), reads: 1 }],
  ["state:a", { last: 1, begins: 0, gets: from(17), reads: 1 }],
  ["state:a", { at: 10, begins: 10, recovered: true, gets: from(17) }],
  ["state:a", { at: 1, begins: 1, recovered: true, gets: from(17), reads: 1 }],
  ["state:a", { at: 18, begins: 18, recovered: true, gets: [19, 20] }],
  ["state:a", { before: 18, begins: 0, gets: ["19-null epoch", ...from(17)], reads: 1 }],
];

test.each(ROWS)("a subscription to %s with %j", async (ch, row) => {
  const { publish, connect, reads, observed, advance } = await published();
  const epoch = await publish(ch);
  const { last, at, before, begins, recovered = false, gets } = row;
  const offset = at ?? before;
  const client = await connect();
  await client.send({
    t: "subscribe",
    id: 2,
    ch,
    ...(last === undefined ? {} : { last }),
    ...(offset === undefined ? {} : { pos: { epoch: at === undefined ? "past" : epoch, offset } }),
  });
  await advance(20);
  const frames = await client.take();
  expect(frames[0]).toMatchObject({
    t: "subscribed",
    pos: { epoch, offset: begins },
    head: COUNT,
    recovered,
  });
  expect(told(frames.slice(1))).toEqual([...gets]);
  expect(reads()).toBe(row.reads ?? 0);
  const gap = frames.find(({ t }) => t === "gap");
  expect(observed.filter((line) => line.startsWith("gap"))).toEqual(
    gap?.t === "gap" ? [`gap ${gap.reason} ${gap.to === null ? 0 : gap.to - gap.from + 1}`] : [],
  );
});

test.each(["chat:a", "none:a", "fast:a", "state:a"])(
  "nothing is read for a subscription to %s if nothing was published",
  async (ch) => {
    const { publish, connect, reads } = await published(0);
    const epoch = await publish(ch);
    const client = await connect();
    await client.send({ t: "subscribe", id: 2, ch, last: 5 });
    expect(await client.take()).toEqual([
      {
        t: "subscribed",
        id: 2,
        ch,
        cls: expect.any(String),
        pos: { epoch, offset: 0 },
        head: 0,
        recovered: false,
      },
    ]);
    expect(reads()).toBe(0);
  },
);
