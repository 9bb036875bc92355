// Owns: when the certificate that the public listener shows ends, for whoever must renew it in
// time.
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * In ms since 1970, of the first certificate in the file: the one that is shown. Undefined without
 * a file, or for one that is no certificate, which listening refuses with its own words.
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
