// Owns: the form of `mqtt.topics`: which channel a topic is in.
import { entriesOf, parseJson, type Reading, type Refused, unknownKeys } from "@holdfast/config";
import {
  type PayloadForm,
  TOPIC_ROWS_MAX,
  type TopicRow,
  topicRowProblem,
} from "@holdfast/door-mqtt";

export const MQTT_TOPICS_ALLOWED =
  "a map of topics like telemetry/+site/#rest to {channel, retained, payload}, or to the channel alone";
const FORMS: readonly PayloadForm[] = ["auto", "json", "bytes"];
const FIELDS = ["channel", "retained", "payload"];
const LENGTH_MAX = 1024;

/** Topics, and the channel of each. Their order means nothing: Helm, for one, sorts maps. */
export type TopicMap = Readonly<Record<string, Omit<TopicRow, "topic">>>;

/**
 * The most specific first: level by level, a name goes before `+`, and `+` before `#`. Two patterns
 * that differ in names of parameters alone are in the order of their texts.
 */
export const topicRows = (map: TopicMap): readonly TopicRow[] =>
  Object.entries(map)
    .map(([topic, row]) => ({ topic, ...row }))
    .sort((a, b) => {
      const [wide, other] = [a, b].map(({ topic }) => topic.split("/").map(widthOf).join(""));
      return compared(wide ?? "", other ?? "") || compared(a.topic, b.topic);
    });

const widthOf = (level: string): string =>
  level.startsWith("#") ? "2" : level.startsWith("+") ? "1" : "0";

const compared = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Reads a map of topics, or JSON text of one. */
export function readTopics(found: unknown): Reading<TopicMap> {
  const entries = entriesOf(typeof found === "string" ? parseJson(found) : found);
  if (entries === undefined)
    return { ok: false, refused: [{ found, allowed: MQTT_TOPICS_ALLOWED }] };
  if (entries.size === 0 || entries.size > TOPIC_ROWS_MAX)
    return {
      ok: false,
      refused: [{ found: `${entries.size} topics`, allowed: `1 to ${TOPIC_ROWS_MAX} topics` }],
    };
  const refused: Refused[] = [];
  const rows: TopicRow[] = [];
  for (const [topic, value] of entries) {
    const row = readRow(topic, value, refused);
    if (row !== undefined) rows.push(row);
  }
  if (refused.length > 0) return { ok: false, refused };
  const pairs = rows.map(({ topic, ...row }) => [topic, row] as const);
  return { ok: true, value: Object.fromEntries(pairs) };
}

function readRow(topic: string, value: unknown, refused: Refused[]): TopicRow | undefined {
  const at = `.${topic}`;
  const fields =
    typeof value === "string" ? new Map<string, unknown>([["channel", value]]) : entriesOf(value);
  const channel = fields?.get("channel");
  if (fields === undefined || typeof channel !== "string" || topic.length > LENGTH_MAX) {
    refused.push({ at, found: value, allowed: MQTT_TOPICS_ALLOWED });
    return undefined;
  }
  refused.push(...unknownKeys(fields, FIELDS, at));
  const payload = fields.get("payload");
  const form = FORMS.find((one) => one === payload);
  if (payload !== undefined && form === undefined)
    refused.push({ at: `${at}.payload`, found: payload, allowed: FORMS.join(", ") });
  const retained = fields.get("retained");
  if (retained !== undefined && typeof retained !== "string")
    refused.push({ at: `${at}.retained`, found: retained, allowed: "a channel of class latest" });
  const row = {
    topic,
    channel,
    ...(typeof retained === "string" ? { retained } : {}),
    ...(form === undefined ? {} : { payload: form }),
  };
  const problem = topicRowProblem(row);
  if (problem !== undefined)
    refused.push({ at, found: problem, allowed: "a topic whose parameters the channel names" });
  return row;
}
