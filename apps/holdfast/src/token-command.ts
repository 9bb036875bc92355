// Owns: `holdfast token`: a token for trying things out, signed as an application's back end would.
import { createHmac } from "node:crypto";
import { type Arguments, readConfiguration } from "./configuration.ts";
import { devDefaults } from "./dev/defaults.ts";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";

export interface TokenRequest {
  readonly sub: string;
  readonly cap: readonly string[];
  readonly info?: string;
  readonly ttl: string;
}

const TTL_MS_MAX = 365 * 86_400_000;
const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const CAPABILITY =
  /^.+=(\*|(subscribe|publish|presence|history)(,(subscribe|publish|presence|history))*)$/;

/** Prints one token and nothing else, so that it can be used in a command line. */
export async function printToken(
  request: TokenRequest,
  args: Arguments,
  host: Host,
): Promise<number> {
  const configuration = await readConfiguration(args, host, devDefaults());
  if (!configuration.ok) return refuse(host, configuration.message);
  const { hmacSecret, issuer, audience } = configuration.config.auth.jwt;
  if (hmacSecret === undefined) {
    return refuse(
      host,
      "There is no secret to sign with: set HOLDFAST_AUTH_JWT_HMAC_SECRET (or auth.jwt.hmacSecret in the file) to the node's own.",
    );
  }
  const ttlMs = parseTtlMs(request.ttl);
  if (ttlMs === undefined)
    return refuse(
      host,
      `--ttl ${request.ttl}: expected a time like 90s, 15m, 1h, 7d; at most 365d`,
    );
  const bad = request.cap.find((cap) => !CAPABILITY.test(cap));
  if (bad !== undefined)
    return refuse(
      host,
      `--cap ${bad}: expected pattern=actions, as in chat:*=subscribe,publish (subscribe, publish, presence, history, or *)`,
    );
  const info = infoOf(request.info);
  if (!info.ok) return refuse(host, "--info: expected JSON");
  const nowSeconds = Math.floor(Date.now() / 1000);
  const token = signHs256(hmacSecret, {
    sub: request.sub,
    iat: nowSeconds,
    exp: nowSeconds + Math.ceil(ttlMs / 1000),
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(audience === undefined ? {} : { aud: audience }),
    ...(request.cap.length === 0 ? {} : { caps: request.cap }),
    ...(info.value === undefined ? {} : { info: info.value }),
  });
  host.out(`${token}\n`);
  return EXIT.ok;
}

/** A JWT (RFC 7519) with an HMAC of SHA-256 (RFC 7518 section 3.2). */
export function signHs256(secret: string, claims: object): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part(claims)}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}

/** `90s`, `15m`, `1h`, `7d` in ms; at most 365 days, above 0. */
export function parseTtlMs(text: string): number | undefined {
  const match = /^(\d{1,9})(s|m|h|d)$/.exec(text);
  const ms = Number(match?.[1]) * (UNIT_MS[match?.[2] ?? ""] ?? Number.NaN);
  return ms > 0 && ms <= TTL_MS_MAX ? ms : undefined;
}

function infoOf(
  text: string | undefined,
): { readonly ok: true; readonly value: unknown } | { readonly ok: false } {
  try {
    return { ok: true, value: text === undefined ? undefined : JSON.parse(text) };
  } catch {
    return { ok: false };
  }
}

function refuse(host: Host, message: string): number {
  host.err(`${message}\n`);
  return EXIT.refused;
}
