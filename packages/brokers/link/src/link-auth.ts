// Owns: how the two ends of the broker link prove to each other that they know the secret. They do
// not send it.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Bytes of randomness in secrets and nonces. */
const STRENGTH_BYTES = 32;

/** A new secret for one supervisor's life: 64 hexadecimal characters. */
export const createLinkSecret = (): string => randomBytes(STRENGTH_BYTES).toString("hex");

/** A nonce for one handshake. */
export const createNonce = (): string => randomBytes(STRENGTH_BYTES).toString("hex");

/**
 * What an end sends to show that it knows the secret. It depends on the role and on both nonces, so
 * that it is valid for one handshake only.
 */
export const proofOf = (
  secret: string,
  role: "node" | "supervisor",
  nonces: { readonly supervisor: string; readonly node: string },
): string =>
  createHmac("sha256", secret)
    .update(`${role}\n${nonces.supervisor}\n${nonces.node}`)
    .digest("hex");

/** Compares in constant time. */
export function sameProof(expected: string, found: string): boolean {
  const [one, other] = [Buffer.from(expected), Buffer.from(found)];
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}
