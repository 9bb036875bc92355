// Owns: signatures of webhooks as the Standard Webhooks specification has them: HMAC-SHA256 over
// id, time and body.
import { createHmac, timingSafeEqual } from "node:crypto";

/** The key: behind `whsec_` in base64, anything else as it is. */
function keyOf(secret: string): Buffer {
  return secret.startsWith("whsec_") ? Buffer.from(secret.slice(6), "base64") : Buffer.from(secret);
}

/** The value of the header `webhook-signature`. */
export function signatureOf(
  secret: string,
  message: { readonly id: string; readonly timestamp: number; readonly body: string },
): string {
  const signed = `${message.id}.${message.timestamp}.${message.body}`;
  return `v1,${createHmac("sha256", keyOf(secret)).update(signed).digest("base64")}`;
}

/** Whether one of the signatures of a header is right. Takes the same time whatever is wrong. */
export function isSigned(
  secret: string,
  message: { readonly id: string; readonly timestamp: number; readonly body: string },
  header: string,
): boolean {
  const right = Buffer.from(signatureOf(secret, message));
  let isRight = false;
  // While a secret is replaced there are two. More than a few are an attack on time.
  for (const one of header.split(" ").slice(0, 5)) {
    const found = Buffer.from(one);
    if (found.byteLength === right.byteLength && timingSafeEqual(found, right)) isRight = true;
  }
  return isRight;
}
