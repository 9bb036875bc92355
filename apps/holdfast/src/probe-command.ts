// Owns: `holdfast probe`: checks a running node from outside, for `helm test` and for people.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { type Arguments, readConfiguration } from "./configuration.ts";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { runPlainProbe } from "./plain-probe.ts";
import { ProbeFailure, type ProbePlan, probe } from "./probe.ts";
import { parseTtlMs, signHs256 } from "./token-command.ts";

export interface ProbeRequest {
  readonly url: string;
  readonly channel?: string;
  readonly data?: string;
  readonly tokenFile?: string;
  readonly timeout: string;
  /** Any WebSocket, and nothing of Holdfast in it. */
  readonly plain?: boolean;
  readonly host?: string;
}

const TIMEOUT_MS_MAX = 600_000;
const TOKEN_SECONDS = 900;

/**
 * Exit status 0: every step was done. 1: a node answered, and a step failed. 2: the arguments are
 * wrong. 3: no node answered.
 */
export async function runProbe(
  request: ProbeRequest,
  args: Arguments,
  host: Host,
): Promise<number> {
  const read = await readRequest(request, args, host);
  if (typeof read === "string") {
    host.err(`${read}\n`);
    return EXIT.refused;
  }
  if (request.plain === true) return runPlainProbe({ ...read, hostHeader: request.host }, host);
  try {
    await probe({
      ...read,
      step: (done, tookMs) => host.out(`ok  ${done} (${tookMs.toFixed(0)} ms)\n`),
    });
    host.out("ok  every step was done\n");
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ProbeFailure)) throw error;
    host.err(`${error.message}\n`);
    return error.answered ? EXIT.failed : EXIT.unavailable;
  }
}

/** The plan, or what is wrong with the request. */
async function readRequest(
  request: ProbeRequest,
  args: Arguments,
  host: Host,
): Promise<Omit<ProbePlan, "step"> | string> {
  if (!URL.canParse(request.url) || !/^(wss?|https?):$/.test(new URL(request.url).protocol))
    return `--url ${request.url}: expected ws:// or wss:// and the path, as in ws://localhost:8000/connect`;
  const timeoutMs = parseTtlMs(request.timeout);
  if (timeoutMs === undefined || timeoutMs > TIMEOUT_MS_MAX)
    return `--timeout ${request.timeout}: expected a time like 30s; at most 10m`;
  const data = parsed(request.data ?? '{"probe":true}');
  if (data === undefined) return "--data: expected JSON";
  const token = await tokenFor(request, args, host);
  if (!token.ok) return token.message;
  const { value } = token;
  return {
    url: request.url,
    channel: request.channel,
    data: data.value,
    getToken: value === undefined ? undefined : () => value,
    timeoutMs,
  };
}

type Token =
  | { readonly ok: true; readonly value: string | undefined }
  | { readonly ok: false; readonly message: string };

/** The file's token, or one signed with auth.jwt.hmacSecret if that is configured, or none. */
async function tokenFor(
  { tokenFile, channel }: ProbeRequest,
  args: Arguments,
  host: Host,
): Promise<Token> {
  if (tokenFile !== undefined) {
    try {
      return { ok: true, value: (await readFile(resolve(host.cwd, tokenFile), "utf8")).trim() };
    } catch (error) {
      return {
        ok: false,
        message: `--token-file: cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      };
    }
  }
  const configuration = await readConfiguration(args, host);
  if (!configuration.ok) return configuration;
  const { hmacSecret, issuer, audience } = configuration.config.auth.jwt;
  if (hmacSecret === undefined) return { ok: true, value: undefined };
  const nowSeconds = Math.floor(Date.now() / 1000);
  const claims = {
    sub: "holdfast-probe",
    iat: nowSeconds,
    exp: nowSeconds + TOKEN_SECONDS,
    ...(issuer === undefined ? {} : { iss: issuer }),
    ...(audience === undefined ? {} : { aud: audience }),
    ...(channel === undefined ? {} : { caps: [`${channel}=subscribe,publish,history`] }),
  };
  return { ok: true, value: signHs256(hmacSecret, claims) };
}

function parsed(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}
