// Owns: the will of a CONNECT as publications of the engine.
import type { Will } from "./decode.ts";
import type { DoorParts } from "./door-parts.ts";
import { dataOf, writeMeta } from "./message.ts";
import { type Fault, REASON } from "./reason.ts";
import type { WillMessage } from "./will-record.ts";

/** Undefined: there is none. The retained copy, if there is one, comes second. */
export function readWill(
  will: Will | undefined,
  { topics, isLatest }: Pick<DoorParts, "topics" | "isLatest">,
): readonly WillMessage[] | Fault | undefined {
  if (will === undefined) return undefined;
  const { topic, payload, qos, retain, properties, passedOn } = will;
  const place = topic.startsWith("$") ? undefined : topics.placeOf(topic);
  if (place === undefined)
    return { reason: REASON.topicNameInvalid, text: "a will for a topic without a channel" };
  const data = dataOf({ bytes: payload, from: 0, to: payload.length }, place.payload);
  const meta = writeMeta({ qos, retain, expiryS: properties.messageExpiryS, passedOn });
  if (data === undefined || meta === undefined)
    return { reason: REASON.payloadFormatInvalid, text: "a will that is no JSON, or is too long" };
  const hasKey = !place.isPlain || isLatest(place.channel);
  const message: WillMessage = {
    channel: place.channel,
    key: hasKey ? topic : undefined,
    payload: data,
    meta,
    user: undefined,
  };
  if (!retain || place.retained === undefined) return [message];
  return [message, { ...message, channel: place.retained, key: topic }];
}
