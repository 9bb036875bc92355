// Owns: attacks on a real node by another process: nobody else is hurt, nothing crashes, and
// metrics tell of it. What a bystander feels is a ratio to what it felt before.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connectMqtt, type TestClient } from "../integration/mqtt-client.ts";
import { patience } from "../patience.ts";
import { type Place, startFleet } from "./fleet.ts";

setDefaultTimeout(patience(120_000));

const ATTACK_MS = 2500;
const ROUNDS = 60;

const cleanups: (() => unknown)[] = [];
let place: Place;
let sender: TestClient;
let reader: TestClient;

beforeAll(async () => {
  const { places } = await startFleet(cleanups, {
    HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: "4000",
    HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: "100",
    HOLDFAST_LIMITS_SUBSCRIPTIONS_MAX: "200",
    HOLDFAST_TIMEOUTS_HANDSHAKE_MS: "1500",
  });
  place = places[0] as Place;
  const url = `mqtt://127.0.0.1:${place.port}`;
  sender = await connectMqtt(url);
  reader = await connectMqtt(url);
  await reader.client.subscribeAsync("polite/a", { qos: 1 });
});
afterAll(async () => {
  for (const { client } of [sender, reader]) client.end(true);
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Median of the time from a publish to its arrival, at QoS 1. */
async function roundTripMs(): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const beganMs = performance.now();
    const count = reader.received.length + 1;
    await sender.client.publishAsync("polite/a", String(round), { qos: 1 });
    await reader.until(count);
    times.push(performance.now() - beganMs);
    await Bun.sleep(ATTACK_MS / ROUNDS / 2);
  }
  return times.toSorted((a, b) => a - b)[ROUNDS / 2] as number;
}

async function metrics(): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${place.internal}/metrics`)).text();
  return new Map(
    text
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => [
        line.slice(0, line.lastIndexOf(" ")),
        Number(line.slice(line.lastIndexOf(" "))),
      ]),
  );
}

/** The most that a metric says until the attack is over. */
async function mostOf(metric: string, over: Promise<unknown>): Promise<number> {
  let isOver = false;
  void over.then(() => {
    isOver = true;
  });
  for (let most = 0; ; ) {
    const isLast = isOver;
    most = Math.max(most, (await metrics()).get(metric) ?? 0);
    if (isLast) return most;
    await Promise.race([over, Bun.sleep(200)]);
  }
}

/** Attacks by the other process, and the metric that tells of each. */
const ATTACKS: readonly (readonly [string, string])[] = [
  ["small messages", 'holdfast_mqtt_disconnects_total{reason="message_rate_too_high"}'],
  ["large messages", 'holdfast_held_total{reason="budget"}'],
  ["pings", 'holdfast_mqtt_disconnects_total{reason="message_rate_too_high"}'],
  [
    "acknowledgements of nothing",
    'holdfast_mqtt_disconnects_total{reason="message_rate_too_high"}',
  ],
  ["new filters with wildcards", 'holdfast_mqtt_disconnects_total{reason="message_rate_too_high"}'],
  ["new channels", 'holdfast_request_failures_total{code="rate_limited"}'],
  ["filters over everything", 'holdfast_mqtt_disconnects_total{reason="quota_exceeded"}'],
  ["readers that stop", "holdfast_queue_bytes"],
  [
    "clients that never say CONNECT",
    'holdfast_handshakes_total{outcome="refused",code="handshake_timeout"}',
  ],
  ["packets that never end", 'holdfast_over_share_total{reason="held"}'],
  ["wills of clients that leave", 'holdfast_mqtt_wills_total{outcome="published"}'],
  ["fights for identifiers", "holdfast_mqtt_take_overs_delayed_total"],
];

/** What others feel, at most, as a multiple of what they felt before. */
const HURT_MAX = 50;

describe("a bystander", () => {
  for (const [kind, metric] of ATTACKS)
    test(`goes on during: ${kind}`, async () => {
      const calmMs = await roundTripMs();
      const before = (await metrics()).get(metric) ?? 0;
      const script = `${import.meta.dir}/attacker.ts`;
      const attacker = Bun.spawn(
        [process.execPath, script, kind, String(place.port), String(ATTACK_MS)],
        { stdout: "ignore", stderr: "inherit" },
      );
      cleanups.push(() => attacker.kill());
      const [hurtMs, most] = await Promise.all([roundTripMs(), mostOf(metric, attacker.exited)]);
      expect({ [metric]: most > before }).toEqual({ [metric]: true });
      expect(hurtMs / calmMs).toBeLessThan(HURT_MAX);
      expect([sender.client.connected, reader.client.connected]).toEqual([true, true]);
    });
});
