// Owns: what an error of Kafka means for a batch.
import { SinkError, type SinkErrorCode } from "@holdfast/pipelines/sink";
import { Refusal } from "../parts.ts";

/** By the protocol's name of the error. What is not here is "unavailable". */
const MEANINGS: Readonly<Record<string, SinkErrorCode | "record">> = {
  MESSAGE_TOO_LARGE: "record",
  RECORD_LIST_TOO_LARGE: "record",
  INVALID_RECORD: "record",
  CORRUPT_MESSAGE: "record",
  INVALID_TIMESTAMP: "record",
  INVALID_TOPIC_EXCEPTION: "refused",
  TOPIC_AUTHORIZATION_FAILED: "refused",
  CLUSTER_AUTHORIZATION_FAILED: "refused",
  SASL_AUTHENTICATION_FAILED: "refused",
  UNSUPPORTED_SASL_MECHANISM: "refused",
  ILLEGAL_SASL_STATE: "refused",
  UNKNOWN_TOPIC_OR_PARTITION: "refused",
  POLICY_VIOLATION: "refused",
  THROTTLING_QUOTA_EXCEEDED: "busy",
  KAFKA_STORAGE_ERROR: "busy",
  REQUEST_TIMED_OUT: "timeout",
};

/** Errors of the client itself. */
const OWN: Readonly<Record<string, string>> = {
  PLT_KFK_AUTHENTICATION: "the name or password is wrong",
  PLT_KFK_USER: "the brokers do not know the topic",
};

/** Undefined: it is no error of the protocol. */
export function meaningOf(id: string | undefined): Refusal | SinkError | undefined {
  if (id === undefined) return undefined;
  const own = OWN[id];
  if (own !== undefined) return new SinkError("refused", own);
  const meaning = MEANINGS[id] ?? "unavailable";
  if (meaning === "record") return new Refusal(`Kafka refused it (${id})`);
  return new SinkError(meaning, `Kafka refused the batch (${id})`);
}

/** The protocol's name of an error, wherever the client has put it. */
export function apiIdOf(error: unknown, depth = 0): string | undefined {
  if (typeof error !== "object" || error === null || depth > 6) return undefined;
  const { apiId, code, errors, cause } = error as {
    readonly apiId?: unknown;
    readonly code?: unknown;
    readonly errors?: unknown;
    readonly cause?: unknown;
  };
  if (typeof apiId === "string" && /^[A-Z_]{1,64}$/.test(apiId)) return apiId;
  if (typeof code === "string" && Object.hasOwn(OWN, code)) return code;
  for (const one of [...(Array.isArray(errors) ? errors : []), cause]) {
    const found = apiIdOf(one, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}
