// Owns: the receiving side of signed requests, for back ends: is one ours and fresh, what is in it.
import { isSigned } from "./signature.ts";

/** One record of a webhook's body. */
export interface WebhookRecord {
  /** The same whenever the record comes again: remember it, and ignore it then. */
  readonly id: string;
  readonly key: string;
  /** Event time in ms since the Unix epoch. */
  readonly timeMs: number;
  readonly value: unknown;
  readonly params: Readonly<Record<string, string>>;
}

/** The body of a webhook: records in their order. */
export interface WebhookBody {
  readonly pipeline: string;
  readonly partition: number;
  readonly output: number;
  readonly records: readonly WebhookRecord[];
}

export interface VerifyOptions {
  /** What `secretFrom` names, as the sink has it. */
  readonly secret: string;
  /** Headers by lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** As it was received: parsed and written again, it has another signature. */
  readonly body: string;
  readonly nowMs: number;
  /** How old or how far ahead it may be. Default five minutes. */
  readonly toleranceMs?: number;
}

/**
 * The body, or undefined if it is not ours or not fresh: answer 401 then. A webhook comes at least
 * once. To answer that single records can never be taken, send 200 with `{"refused": [{"index": 0,
 * "reason": "..."}]}`; they become dead letters.
 */
export function verifyWebhook(options: VerifyOptions): WebhookBody | undefined {
  return verifySigned(options) as WebhookBody | undefined;
}

/**
 * The JSON body of a signed request of a node: a webhook, or a question for a back end
 * (spec/back-end.md). Undefined if it is not ours or not fresh: answer 401 then.
 */
export function verifySigned(options: VerifyOptions): unknown {
  const { secret, headers, body, nowMs, toleranceMs = 300_000 } = options;
  const [id = "", signature = ""] = [headers["webhook-id"], headers["webhook-signature"]];
  const timestamp = Number(headers["webhook-timestamp"] ?? Number.NaN);
  if (!isSigned(secret, { id, timestamp, body }, signature)) return undefined;
  if (!(Math.abs(nowMs - timestamp * 1_000) <= toleranceMs)) return undefined;
  return JSON.parse(body);
}
