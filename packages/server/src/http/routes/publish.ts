// Owns: the operations that publish: publish, broadcast, rpc.
import type { Outcome } from "@holdfast/contract";
import type { NodeControl } from "@holdfast/core";
import { z } from "zod";
import { type DataMembers, membersOf, payloadOf } from "../json.ts";
import { done, fail, type RouteContext, route } from "../route.ts";
import {
  channelName,
  dataOut,
  idempotencyKey,
  latestKey,
  partFailure,
  published,
  userId,
  withData,
  withOptionalData,
} from "../schemas.ts";

const CHANNELS_MAX = 1000;
/** Publishes of a broadcast that are with the broker at once. */
const CONCURRENCY = 32;

const publicationMembers = {
  key: latestKey.optional(),
  idempotencyKey: idempotencyKey.optional(),
  user: userId.optional().meta({ description: "Author that subscribers are told." }),
};

interface PublishInput extends DataMembers {
  readonly key?: string | undefined;
  readonly idempotencyKey?: string | undefined;
  readonly user?: string | undefined;
}

export const publish = route({
  name: "publish",
  method: "POST",
  path: "/publish",
  scope: "publish",
  summary: "Publish to one channel.",
  description:
    "Answered when the broker has it. Schemas, size limits and the onPublish hook apply; permissions of sessions do not.",
  input: withData({ channel: channelName, ...publicationMembers }),
  output: published,
  async handle(input, context) {
    const request = publishRequest(input, context);
    return request.ok ? publishOne(context.control, input.channel, request.value) : request;
  },
});

export const broadcast = route({
  name: "broadcast",
  method: "POST",
  path: "/broadcast",
  scope: "publish",
  summary: "Publish the same data to many channels.",
  description:
    "Results are in the order of the channels; some may fail while others succeed. An idempotency key counts for each channel on its own.",
  input: withData({
    channels: z.array(channelName).min(1).max(CHANNELS_MAX),
    ...publicationMembers,
  }),
  output: z.object({
    results: z.array(
      z.object({
        channel: z.string(),
        published: published.optional(),
        error: partFailure.optional(),
      }),
    ),
  }),
  batchable: false,
  async handle(input, context) {
    const request = publishRequest(input, context);
    if (!request.ok) return request;
    const results = await mapBounded(input.channels, CONCURRENCY, async (channel) => {
      const outcome = await publishOne(context.control, channel, request.value);
      return outcome.ok
        ? { channel, published: outcome.value }
        : { channel, error: partOf(outcome) };
    });
    return done({ results });
  },
});

export const rpc = route({
  name: "rpc",
  method: "POST",
  path: "/rpc",
  scope: "rpc",
  summary: "Call an RPC of the contract.",
  description: "The handler sees no user.",
  input: withOptionalData({
    method: z.string().min(1).max(128).meta({ description: "Name of the RPC." }),
  }),
  output: z.object(dataOut),
  async handle(input, { control }) {
    const payload = payloadOf(input);
    if (payload?.kind === "fault") return fail("payload_invalid", payload.message, payload.path);
    const outcome = await control.rpc(input.method, payload);
    return outcome.ok ? done(membersOf(outcome.value)) : outcome;
  },
});

/** The part of a failed outcome that goes into a list of results. */
export function partOf(
  outcome: Extract<Outcome<unknown>, { ok: false }>,
): z.infer<typeof partFailure> {
  const { code, message, path, retryMs } = outcome;
  return {
    code,
    message,
    ...(path === undefined ? {} : { path }),
    ...(retryMs === undefined ? {} : { retryMs }),
  };
}

type PublishRequest = Parameters<NodeControl["publish"]>[1];

function publishRequest(input: PublishInput, context: RouteContext): Outcome<PublishRequest> {
  const payload = payloadOf(input);
  if (payload === undefined) return fail("request_invalid", "expected either data or b");
  if (payload.kind === "fault") return fail("payload_invalid", payload.message, payload.path);
  const { idempotencyKey: own, key, user } = input;
  if (own !== undefined && context.idempotencyKey !== undefined && own !== context.idempotencyKey) {
    return fail("request_invalid", "the header Idempotency-Key says another key", "idempotencyKey");
  }
  const once = own ?? context.idempotencyKey;
  return done({
    payload,
    ...(key === undefined ? {} : { key }),
    ...(user === undefined ? {} : { user }),
    ...(once === undefined ? {} : { idempotencyKey: once }),
  });
}

async function publishOne(
  control: NodeControl,
  channel: string,
  request: PublishRequest,
): Promise<Outcome<z.infer<typeof published>>> {
  const outcome = await control.publish(channel, request);
  if (!outcome.ok) return outcome;
  const { position, duplicate } = outcome.value;
  return done({ epoch: position.epoch, offset: position.offset, duplicate });
}

/** Results in the order of `items`, at most `limit` under way. */
async function mapBounded<T, R>(
  items: readonly T[],
  limit: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < items.length) {
      const index = next;
      next += 1;
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, lane));
  return results;
}
