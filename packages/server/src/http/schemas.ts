// Owns: the shapes that operations of the HTTP API take and give. OpenAPI is made from them.
import { CHANNEL_LENGTH_CEILING, KEY_LENGTH_MAX } from "@holdfast/protocol";
import { z } from "zod";

export const channelName = z
  .string()
  .min(1)
  .max(CHANNEL_LENGTH_CEILING)
  .meta({ description: "Name of a channel.", examples: ["chat:lobby"] });
const shortText = (description: string) =>
  z.string().min(1).max(KEY_LENGTH_MAX).meta({ description });
export const idempotencyKey = shortText(
  "The same key again within the broker's window publishes nothing and answers the first offset.",
);
export const latestKey = shortText(
  "Only for channels of class `latest`: the key whose newest publication this becomes.",
);
export const userId = z
  .string()
  .min(1)
  .max(255)
  .meta({ description: "Claim `sub` of a session's token." });
export const sessionId = shortText("Public id of a session.");
export const pageLimit = (byDefault: number) =>
  z.int().min(1).max(1000).default(byDefault).meta({ description: "Most entries to answer." });
export const after = z
  .string()
  .min(1)
  .max(CHANNEL_LENGTH_CEILING)
  .optional()
  .meta({ description: "Answers entries after this one: `next` of the page before." });

/** Application data: any JSON value in `data`, or bytes as base64 in `b`. */
export const dataMembers = {
  data: z.unknown().optional().meta({ description: "Any JSON value." }),
  b: z.base64().optional().meta({ description: "Bytes, as base64, instead of `data`." }),
};
const has = (value: unknown): boolean => value !== undefined;

/** Exactly one of `data` and `b`. */
export function withData<T extends z.ZodRawShape>(shape: T) {
  return z
    .strictObject({ ...shape, ...dataMembers })
    .refine((input: { data?: unknown; b?: unknown }) => has(input.data) !== has(input.b), {
      message: "expected either data or b",
    })
    .meta({ oneOf: [{ required: ["data"] }, { required: ["b"] }] });
}

/** At most one of `data` and `b`. */
export function withOptionalData<T extends z.ZodRawShape>(shape: T) {
  return z
    .strictObject({ ...shape, ...dataMembers })
    .refine((input: { data?: unknown; b?: unknown }) => !has(input.data) || !has(input.b), {
      message: "expected data or b, not both",
    });
}

/** Exactly one of `user` and `session`. */
export function withWho<T extends z.ZodRawShape>(shape: T) {
  return z
    .strictObject({ user: userId.optional(), session: sessionId.optional(), ...shape })
    .refine(
      (input: { user?: unknown; session?: unknown }) => has(input.user) !== has(input.session),
      {
        message: "expected either user or session",
      },
    )
    .meta({ oneOf: [{ required: ["user"] }, { required: ["session"] }] });
}

export const nothing = z.object({}).meta({ description: "It was done." });

export const dataOut = {
  data: z.unknown().optional().meta({ description: "The data, where it is a JSON value." }),
  b: z.string().optional().meta({ description: "The data, where it is bytes, as base64." }),
  msgpack: z
    .string()
    .optional()
    .meta({ description: "The data, where it is MessagePack that JSON cannot say, as base64." }),
};

export const offset = z
  .int()
  .meta({ description: "Position in the channel's stream, +1 for each publication." });
export const epoch = z
  .string()
  .meta({ description: "Life of the stream; offsets of another epoch mean nothing." });
export const timeMs = z.number().meta({ description: "Milliseconds since 1970." });

export const published = z.object({
  epoch,
  offset,
  duplicate: z
    .boolean()
    .meta({ description: "True when the idempotency key was known: nothing was published now." }),
});

/** Failure of one part of a request that has several. */
export const partFailure = z.object({
  code: z.string().meta({ description: "Name of a code of the protocol." }),
  message: z.string(),
  path: z.string().optional(),
  retryMs: z.number().optional(),
});

export const problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.string().meta({
      description: "Name of a code of the protocol, or of an HTTP condition. Match on this.",
    }),
    path: z.string().optional().meta({ description: "Member of the request that is wrong." }),
    retryMs: z
      .number()
      .optional()
      .meta({ description: "Least time to wait before the request is repeated." }),
    requestId: z
      .string()
      .meta({ description: "Also in the node's log and in header X-Request-Id." }),
  })
  .meta({ description: "Problem details (RFC 9457)." });
