// Owns: when the public listener's certificate expires, for those who must renew it in time.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * Ms since 1970, of the first certificate in the file: the one that clients see. Undefined if there
 * is no file. Also undefined if the file holds no certificate: then the listener refuses to start,
 * with its own text.
 */
export function certificateEndsMs(file: string | undefined): number | undefined {
  if (file === undefined) return undefined;
  try {
    const endsMs = Date.parse(new X509Certificate(readFileSync(file)).validTo);
    return Number.isNaN(endsMs) ? undefined : endsMs;
  } catch {
    return undefined;
  }
}
