// Owns: who publishes the events of a request: a back end by its API key, or a device by its token.
import type { NodeControl } from "@holdfast/core";
import type { RequestClient } from "@holdfast/door-sse";
import { partOf } from "../http/routes/publish.ts";
import type { IngestEvent } from "./events.ts";

/** What became of one event. */
export type Taken =
  | { readonly epoch: string; readonly offset: number; readonly duplicate: boolean }
  | { readonly error: ReturnType<typeof partOf> };

export type PublishEvent = (event: IngestEvent) => Promise<Taken>;

/** No permission of a session is asked: the key's scope is. */
export const byControl =
  (control: Pick<NodeControl, "publish">): PublishEvent =>
  async ({ channel, payload, key, idempotencyKey }) => {
    const outcome = await control.publish(channel, {
      payload,
      ...(key === undefined ? {} : { key }),
      ...(idempotencyKey === undefined ? {} : { idempotencyKey }),
    });
    if (!outcome.ok) return { error: partOf(outcome) };
    const { position, duplicate } = outcome.value;
    return { epoch: position.epoch, offset: position.offset, duplicate };
  };

/** As a client: its permissions and rates count, and it is the author. */
export const byClient =
  (client: Pick<RequestClient, "ask">): PublishEvent =>
  async ({ channel, payload, key, idempotencyKey }) => {
    const length = payload.kind === "json" ? payload.text.length : payload.bytes.length;
    const answered = await client.ask(
      {
        t: "publish",
        ch: channel,
        data: payload,
        ...(key === undefined ? {} : { k: key }),
        ...(idempotencyKey === undefined ? {} : { idem: idempotencyKey }),
      },
      length + channel.length,
    );
    if (!answered.ok) return { error: partOf({ ok: false, ...answered.refusal }) };
    const { frame } = answered;
    if (frame.t === "published")
      return { epoch: frame.e, offset: frame.o, duplicate: frame.dup ?? false };
    return { error: partOf({ ok: false, code: "internal", message: "no such answer" }) };
  };

/** Publishes that are with the broker at once. */
const WINDOW = 64;

/**
 * All events, results in their order. They are begun in their order, so a channel's events keep it,
 * unless a schema or a hook of the contract is asynchronous.
 */
export async function publishAll(
  events: readonly (IngestEvent | Taken)[],
  publish: PublishEvent,
): Promise<readonly Taken[]> {
  const results: Taken[] = new Array(events.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < events.length) {
      const index = next;
      next += 1;
      const event = events[index] as IngestEvent | Taken;
      results[index] = "payload" in event ? await publish(event) : event;
    }
  };
  await Promise.all(Array.from({ length: Math.min(WINDOW, events.length) }, lane));
  return results;
}
