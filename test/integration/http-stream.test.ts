// Owns: streams of the HTTP API against a real node: what is kept arrives, and a drain ends them.
import { afterEach, expect, test } from "bun:test";
import { API_KEY, startNode, type TestNode, until } from "./start-node.ts";

const nodes: TestNode[] = [];
afterEach(async () => {
  for (const { node } of nodes.splice(0)) await node.stop();
});

async function start(env: Record<string, string> = {}): Promise<TestNode> {
  const started = await startNode({
    env,
    contract: {
      channels: { "log:{id}": { history: { size: 5_000 } }, "state:{id}": { class: "latest" } },
    },
  });
  nodes.push(started);
  return started;
}

const open = ({ httpUrl }: TestNode, query: string): Promise<Response> =>
  fetch(`${httpUrl}/api/v1/history/stream?${query}`, {
    headers: { authorization: `Bearer ${API_KEY}` },
  });

async function publish({ node }: TestNode, channel: string, texts: readonly string[]) {
  for (const text of texts) {
    const payload = { kind: "json" as const, text: JSON.stringify(text) };
    const outcome = await node.control.publish(channel, {
      payload,
      ...(channel.startsWith("state") ? { key: text } : {}),
    });
    expect(outcome.ok).toBe(true);
  }
}

const eventsOf = (text: string) =>
  text
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

const metric = async ({ internalUrl }: TestNode, line: string): Promise<boolean> =>
  (await (await fetch(`${internalUrl}/metrics`)).text()).includes(line);

test("everything that is kept is exported, over pages that other bounds end", async () => {
  const started = await start();
  const texts = Array.from({ length: 3_000 }, (_, at) => `${at}`.padEnd(at % 7 === 0 ? 2_000 : 8));
  await publish(started, "log:a", texts);
  const events = eventsOf(await (await open(started, "channel=log:a")).text());
  expect(events.map(({ data }) => data.data).slice(0, -1)).toEqual(texts);
  const { event, id } = events.at(-1);
  expect(event).toBe("end");
  await publish(started, "log:a", ["later"]);
  const rest = eventsOf(await (await open(started, `channel=log:a&after=${id}`)).text());
  expect(rest.map((one) => [one.event, one.data.data])).toEqual([
    ["publication", "later"],
    ["end", undefined],
  ]);
  await until("no stream is open", () =>
    metric(started, 'holdfast_http_streams{route="history_stream"} 0'),
  );
});

test("channels of class latest are exported key by key", async () => {
  const started = await start();
  await publish(started, "state:a", ["a", "b", "a", "c", "b"]);
  const events = eventsOf(await (await open(started, "channel=state:a")).text());
  expect(events.map(({ event, data }) => `${event} ${data.key}`)).toEqual([
    "publication a",
    "publication c",
    "publication b",
    "end undefined",
  ]);
});

test("a channel that keeps nothing has no export", async () => {
  const started = await start();
  expect((await open(started, "channel=nowhere:a")).status).toBe(404);
});

test("a drain ends a stream with a last event, within its window", async () => {
  const started = await start({ HOLDFAST_DRAIN_WINDOW_MS: "5000" });
  // More than the system's buffers hold, so that the stream is under way.
  await publish(started, "log:a", Array<string>(400).fill("x".repeat(50_000)));
  const response = await open(started, "channel=log:a");
  const reader = response.body?.getReader();
  await reader?.read();
  const drained = started.node.drain();
  const parts: string[] = [];
  const decoder = new TextDecoder();
  await until("the stream ends", async () => {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    parts.push(decoder.decode(value, { stream: true }));
    await Bun.sleep(20);
    return done;
  });
  await drained;
  const last = eventsOf(parts.join("").slice(parts.join("").lastIndexOf('\n{"event"') + 1)).at(-1);
  expect(last).toMatchObject({ event: "error", data: { code: "draining", status: 503 } });
  expect(started.bugs).toEqual([]);
});
