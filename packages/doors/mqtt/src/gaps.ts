// Owns: how a client hears of publications that are missing: MQTT has no word for it, so those who
// want to know subscribe to a topic of the node's own.
import type { GapFrame } from "@holdfast/protocol";
import { NOTHING, utf8 } from "./bytes.ts";
import type { Version } from "./decode.ts";
import { encodePublish } from "./encode.ts";
import type { Filters } from "./filters.ts";

/** The topic of gaps. Its messages are JSON: channel, from, to, reason. QoS 0. */
export const GAP_TOPIC = "$holdfast/gap";

/** Empty: the client does not want to know. */
export function gapPacket(frame: GapFrame, version: Version, filters: Filters): Uint8Array {
  const filter = filters.all.get(GAP_TOPIC);
  if (filter === undefined) return NOTHING;
  const { ch: channel, from, to, reason } = frame;
  const message = {
    topic: GAP_TOPIC,
    topicBytes: utf8(GAP_TOPIC),
    payload: utf8(JSON.stringify({ channel, from, to, reason })),
    qos: 0 as const,
    retain: false,
    expiresMs: undefined,
    passedOn: NOTHING,
    session: undefined,
    packets: [undefined, undefined] as [undefined, undefined],
  };
  return encodePublish(message, {
    version,
    qos: 0,
    dup: false,
    retain: false,
    pid: 0,
    subscriptionIds: filter.subscriptionId === undefined ? [] : [filter.subscriptionId],
    alias: 0,
    isKnown: false,
    wallMs: 0,
  });
}
