// Owns: wills of a node that is killed, with real processes over a real Redis: another node
// publishes them, once, unless their clients came back.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { eventually } from "../integration/command.ts";
import { connectMqtt } from "../integration/mqtt-client.ts";
import { patience } from "../patience.ts";
import { startFleet } from "./fleet.ts";

setDefaultTimeout(patience(180_000));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const CLIENTS = 100;

test("a node is killed: the other one publishes the wills of its clients, each once", async () => {
  const { places, nodes } = await startFleet(cleanups, {
    HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: "1000",
    HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND: "10000",
  });
  const connect = async (index: number, clientId: string, delayS?: number) => {
    const properties = delayS === undefined ? {} : { willDelayInterval: delayS };
    const will = { topic: `wills/${clientId}`, payload: Buffer.from(clientId), qos: 1 as const };
    const client = await connectMqtt(`mqtt://127.0.0.1:${places[index]?.port}`, {
      clientId,
      clean: true,
      will: { ...will, retain: false, properties },
      properties: { sessionExpiryInterval: delayS === undefined ? 0 : 600 },
    });
    cleanups.push(() => void client.client.end(true));
    return client;
  };
  const reader = await connectMqtt(`mqtt://127.0.0.1:${places[1]?.port}`);
  cleanups.push(() => void reader.client.end(true));
  await reader.client.subscribeAsync("wills/#", { qos: 1 });
  const clients = await Promise.all(
    Array.from({ length: CLIENTS }, (_, n) => connect(0, `device-${n}`)),
  );
  const [polite] = clients;
  await polite?.end();
  await connect(0, "patient", 20);
  await connect(0, "comes-back");
  await connect(0, "comes-back-for-a-moment", 20);
  nodes[0]?.signal("SIGKILL");
  await nodes[0]?.ended().catch(() => 137);
  await connect(1, "comes-back");
  await (await connect(1, "comes-back-for-a-moment")).end();
  const texts = (): readonly string[] => reader.received.map(({ text }) => text);
  const expected = Array.from({ length: CLIENTS - 1 }, (_, n) => `device-${n + 1}`);
  // A node is taken for dead after half a minute.
  await reader.until(CLIENTS);
  await eventually("everything that was taken over is done", async () => {
    const metrics = await (await fetch(`http://127.0.0.1:${places[1]?.internal}/metrics`)).text();
    const count = (outcome: string): number =>
      Number(metrics.match(`holdfast_mqtt_wills_total{outcome="${outcome}"} (\\d+)`)?.[1] ?? -1);
    return count("adopted") === CLIENTS && count("published") === CLIENTS;
  });
  expect(texts().toSorted()).toEqual([...expected, "patient"].toSorted());
});
