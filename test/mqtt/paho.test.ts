// Owns: the Paho interoperability suite against a node. The suite is not part of this repository:
// PAHO_TESTING names the folder of its clone. One process for each case, with a hard limit.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { patience } from "../patience.ts";
import { type Place, startFleet } from "./fleet.ts";

setDefaultTimeout(patience(120_000));

const SUITE = process.env.PAHO_TESTING ?? "";
const CASE_MS = patience(60_000);

/** Cases that a node fails, and why it stays so. */
const KNOWN: Readonly<Record<string, string>> = {
  "client_test5 subscribe_failure":
    "it wants 0x80 in SUBACK, and 0x87 (not authorized) is what MQTT 5 says of a permission",
};

/** Names that are unlike the others. */
const METHODS: Readonly<Record<string, string>> = { testBasic: "testBasic" };

const CASES = {
  client_test: [
    "testBasic",
    "retained_messages",
    "zero_length_clientid",
    "offline_message_queueing",
    "overlapping_subscriptions",
    "keepalive",
    "redelivery_on_reconnect",
    "subscribe_failure",
    "dollar_topics",
    "unsubscribe",
  ],
  client_test5: [
    "basic",
    "retained_message",
    "will_message",
    "zero_length_clientid",
    "offline_message_queueing",
    "overlapping_subscriptions",
    "keepalive",
    "redelivery_on_reconnect",
    "subscribe_failure",
    "dollar_topics",
    "unsubscribe",
    "session_expiry",
    "user_properties",
    "payload_format",
    "publication_expiry",
    "subscribe_options",
    "assigned_clientid",
    "subscribe_identifiers",
    "request_response",
    "client_topic_alias",
    "server_topic_alias",
    "maximum_packet_size",
    "server_keep_alive",
    "flow_control1",
    "flow_control2",
    "will_delay",
    "shared_subscriptions",
  ],
} as const;

/** Their own programs take no port beside the name of a case. The names are those that they set. */
const WRAPPER = `
import importlib, sys, unittest
suite = importlib.import_module(sys.argv[1])
prefix = sys.argv[1] + "/"
suite.host, suite.port, suite.topic_prefix = "127.0.0.1", int(sys.argv[2]), prefix
names = ("TopicA", "TopicA/B", "Topic/C", "TopicA/C", "/TopicA")
filters = ("TopicA/+", "+/C", "#", "/#", "/+", "+/+", "TopicA/#")
suite.topics = [prefix + name for name in names]
suite.wildtopics = [prefix + name for name in filters]
suite.nosubscribe_topics = ("test/nosubscribe",)
unittest.main(module=suite, argv=["suite", sys.argv[3]])
`;

const permissions = { subscribe: "anyone", publish: "anyone", history: "anyone" };
const cleanups: (() => unknown)[] = [];
let place: Place;

/** What the suite takes for granted of its broker. */
beforeAll(async () => {
  if (SUITE === "") return;
  const { places } = await startFleet(cleanups, {
    HOLDFAST_MQTT_KEEP_ALIVE_MS_MAX: "60000",
    HOLDFAST_MQTT_RECEIVE_MAX: "2",
    HOLDFAST_MQTT_TOPICS: JSON.stringify({
      "test/nosubscribe": "closed",
      "#topic": { channel: "{topic}", retained: "kept" },
    }),
    HOLDFAST_CHANNELS: JSON.stringify({
      closed: { permissions: { publish: "anyone", subscribe: "nobody" } },
      kept: { class: "latest", permissions },
      "{rest*}": { history: { size: 10_000, ttlMs: 600_000 }, permissions },
    }),
  });
  place = places[0] as Place;
});
afterAll(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

// Counted as skipped, so that the end of a run says it.
if (SUITE === "")
  test.skip("the suite is not here: PAHO_TESTING names no folder, so none of its cases ran", () => {});

for (const [file, cases] of Object.entries(SUITE === "" ? {} : CASES))
  describe(file, () => {
    for (const name of cases) {
      const known = KNOWN[`${file} ${name}`];
      test(`${name}${known === undefined ? "" : ` fails: ${known}`}`, async () => {
        const child = Bun.spawn(
          [
            "python3",
            "-c",
            WRAPPER,
            file,
            String(place.port),
            `Test.${METHODS[name] ?? `test_${name}`}`,
          ],
          {
            cwd: join(SUITE, "interoperability"),
            ...{ stdin: "ignore", stdout: "pipe", stderr: "pipe" },
          },
        );
        const limit = setTimeout(() => child.kill("SIGKILL"), CASE_MS);
        const [out, err] = await Promise.all([
          new Response(child.stdout).text(),
          new Response(child.stderr).text(),
        ]);
        const code = await child.exited;
        clearTimeout(limit);
        if (known === undefined && code !== 0) console.log(`${out}\n${err}`.slice(-2000));
        expect(code === 0).toBe(known === undefined);
      });
    }
  });
