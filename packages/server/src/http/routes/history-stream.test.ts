import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import type { StreamEvent } from "../stream/format.ts";
import { historyStream } from "./history-stream.ts";

const history = { size: 2_000, ttlMs: 60_000 };
const contract = {
  channels: { "log:{x}": { history }, "state:{x}": { class: "latest", history } },
} as const;

const told = ({ event, data, id }: StreamEvent): string => {
  const { offset, from, next } = data as Record<string, number>;
  return event === "gap" ? `gap ${from} to ${next}` : `${event} ${offset ?? id?.split(":")[1]}`;
};

async function setUp(channel: string) {
  const { engine, advance } = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const publish = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++)
      await engine.publish(channel, { key: `${i}`, payload: { kind: "json", text: "1" } });
  };
  await publish(700);
  const ended = new AbortController();
  const opened = await historyStream.open({ channel }, {
    control: engine,
    requestId: "r",
    signal: ended.signal,
  } as never);
  if (!opened.ok) throw new Error(opened.message);
  const source = opened.value;
  /** One by one, as the reader takes them. */
  async function* read(): AsyncGenerator<string> {
    for (;;) {
      const { done, value } = await source.next();
      if (done === true) return;
      for (const event of value) yield told(event);
    }
  }
  return { engine, advance, publish, ended, events: read() };
}

test("what is removed while a reader takes its time is not sent, read or not: a gap stands for it", async () => {
  const { engine, advance, publish, ended, events } = await setUp("log:a");
  expect([(await events.next()).value, (await events.next()).value]).toEqual([
    "publication 1",
    "publication 2",
  ]);
  await engine.removeHistory("log:a");
  await publish(2);
  const rest: string[] = [];
  for await (const event of events) rest.push(event);
  expect(rest).toEqual([
    "gap 3 to 501",
    "gap 501 to 701",
    "publication 701",
    "publication 702",
    "end 702",
  ]);
  ended.abort();
  await advance(10_000);
  expect(engine.info().channels).toBe(0);
});

test("what is removed of a latest channel is left out", async () => {
  const { engine, events } = await setUp("state:a");
  expect((await events.next()).value).toBe("publication 1");
  await engine.removeHistory("state:a");
  const rest: string[] = [];
  for await (const event of events) rest.push(event);
  expect(rest).toEqual(["end 700"]);
});
