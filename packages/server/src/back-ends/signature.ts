// Owns: the signature of requests to back ends, as Standard Webhooks has it: HMAC-SHA256 over id,
// time and body (https://github.com/standard-webhooks/standard-webhooks).
import { createHmac } from "node:crypto";

/** What is signed. `timestamp` in seconds since the Unix epoch. */
export interface SignedRequest {
  readonly id: string;
  readonly timestamp: number;
  readonly body: string;
}

/** The value of the header `webhook-signature`. The secret: base64 behind `whsec_`, or any text. */
export function signatureOf(secret: string, { id, timestamp, body }: SignedRequest): string {
  const key = secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : secret;
  const mac = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64");
  return `v1,${mac}`;
}
