// Owns: the shapes that ingest takes and gives. OpenAPI and the typed client are made from them.
import { z } from "zod";
import {
  channelName,
  dataMembers,
  idempotencyKey,
  latestKey,
  offset,
  partFailure,
} from "./schemas.ts";

export const INGEST_PATH = "/ingest";

export const INGEST = {
  name: "ingest",
  summary: "Publish events: one, or a batch.",
  description:
    "Answered 202 when the broker has all of them, 207 when it has some. If it has none, the status is that of the first refusal. The body is JSON (a list is a batch), " +
    "NDJSON, bytes, or CloudEvents 1.0 (binary, structured, batch), also as gzip or zstd. With `channel` each event is the data; without it each event names its " +
    "channel, as below, and a CloudEvent by `subject`. Devices call it with their own token: then permissions and rates of a session apply. With the header Idempotency-Key, " +
    "event n of a batch (from 0) has the key `<key>/n` unless it brings its own; a CloudEvent has one of `source` and `id`.",
} as const;

export const ingestQuery = z.strictObject({
  channel: channelName.optional().meta({ description: "The channel of every event." }),
  key: latestKey.optional(),
  data: z
    .literal("only")
    .optional()
    .meta({ description: "`only`: publish the data of CloudEvents without their attributes." }),
  results: z
    .literal("refused")
    .optional()
    .meta({ description: "`refused`: answer with the results of refused events alone." }),
});

/** A batch of events that name their channels, for callers that have JSON. */
export const ingestInput = z.array(
  z.strictObject({
    channel: channelName,
    key: latestKey.optional(),
    idempotencyKey: idempotencyKey.optional(),
    ...dataMembers,
  }),
);

export const ingestOutput = z.object({
  accepted: z.int().meta({ description: "Events that the broker has." }),
  refused: z.int(),
  results: z.array(
    z.object({
      index: z.int().meta({ description: "Place of the event in the request, from 0." }),
      epoch: z.string().optional(),
      offset: offset.optional(),
      duplicate: z.boolean().optional(),
      error: partFailure.optional(),
    }),
  ),
});
