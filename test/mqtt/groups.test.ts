// Owns: a shared subscription when a node is killed that holds messages of it: real processes over
// a real Redis.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { connectMqtt } from "../integration/mqtt-client.ts";
import { patience } from "../patience.ts";
import { startFleet } from "./fleet.ts";

setDefaultTimeout(patience(120_000));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const COUNT = 100;

test("a node dies with messages of a group: another node's member gets them", async () => {
  const { places, nodes } = await startFleet(cleanups);
  const connect = async (index: number, more: object = {}) => {
    const client = await connectMqtt(`mqtt://127.0.0.1:${places[index]?.port}`, more);
    cleanups.push(() => void client.client.end(true));
    return client;
  };
  let held = 0;
  const silent = await connect(0, {
    // It takes messages, and acknowledges none.
    customHandleAcks: () => {
      held += 1;
    },
  });
  const member = await connect(1);
  await silent.client.subscribeAsync("$share/group/jobs/a", { qos: 1 });
  await member.client.subscribeAsync("$share/group/jobs/a", { qos: 1 });
  const device = await connect(1);
  const texts = Array.from({ length: COUNT }, (_, number) => String(number));
  // Nodes come to share the group within seconds: until then one of them has all of it.
  for (const text of texts) {
    await device.client.publishAsync("jobs/a", text, { qos: 1 });
    await Bun.sleep(50);
  }
  expect(held).toBeGreaterThan(0);
  expect(member.received.length).toBeLessThan(COUNT);
  nodes[0]?.signal("SIGKILL");
  const seen = () => new Set(member.received.map(({ text }) => text));
  for (let count = member.received.length; seen().size < COUNT; count++)
    await member.until(count + 1);
  expect(seen()).toEqual(new Set(texts));
});
