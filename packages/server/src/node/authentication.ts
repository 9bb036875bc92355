// Owns: the authenticator that a configuration describes.
import { readFileSync } from "node:fs";
import type { Random } from "@holdfast/core";
import {
  AuthConfigError,
  createAuthenticator,
  type JwksOptions,
  type JwtOptions,
  type TicketAuthenticator,
} from "../auth/index.ts";
import type { ServerEvents } from "../events.ts";
import type { ServerRecorder } from "../metrics/index.ts";
import type { Config } from "../options/index.ts";
import { StartError } from "./start-error.ts";

export interface AuthenticationPorts {
  readonly recorder: ServerRecorder;
  readonly events: ServerEvents;
  readonly random: Random;
}

/**
 * Throws StartError for keys that cannot be read or used. A missing resume secret is replaced by a
 * random one, which other nodes cannot read.
 */
export function nodeAuthenticator(
  config: Config,
  { recorder, events, random }: AuthenticationPorts,
): TicketAuthenticator {
  try {
    const jwt = jwtOptions(config.auth.jwt, { recorder, events });
    return createAuthenticator({
      ...(jwt === undefined ? {} : { jwt }),
      ...(config.auth.anonymous ? { anonymous: {} } : {}),
      resume: {
        secrets: secretsOf(
          config.auth.resumeSecret ?? random.id() + random.id(),
          config.auth.resumeSecretOther,
        ),
        ttlMs: config.timeouts.resumeTtlMs,
      },
    });
  } catch (error) {
    if (error instanceof AuthConfigError)
      throw new StartError("auth_invalid", [error.message], { cause: error });
    throw error;
  }
}

function jwtOptions(
  jwt: Config["auth"]["jwt"],
  { recorder, events }: Omit<AuthenticationPorts, "random">,
): JwtOptions | undefined {
  const publicKeys = [
    ...(jwt.publicKey === undefined ? [] : [jwt.publicKey]),
    ...(jwt.publicKeyFile === undefined ? [] : [readKey(jwt.publicKeyFile)]),
  ];
  if (jwt.hmacSecret === undefined && publicKeys.length === 0 && jwt.jwksUrl === undefined)
    return undefined;
  const onFetch: JwksOptions["onFetch"] = (outcome, { keys = 0, cause }) => {
    recorder.jwksFetched(outcome);
    if (outcome === "ok") events.keysFetched({ keys });
    else events.keysOutOfReach({ error: cause });
  };
  return {
    secrets: secretsOf(jwt.hmacSecret, jwt.hmacSecretOther),
    publicKeys,
    leewayMs: jwt.leewayMs,
    ...(jwt.jwksUrl === undefined ? {} : { jwks: { url: jwt.jwksUrl, onFetch } }),
    ...(jwt.algorithms.length === 0 ? {} : { algorithms: jwt.algorithms }),
    ...(jwt.issuer === undefined ? {} : { issuer: jwt.issuer }),
    ...(jwt.audience === undefined ? {} : { audience: jwt.audience }),
  };
}

/** If the node signs, it uses the first key. */
function secretsOf(...secrets: readonly (string | undefined)[]): readonly string[] {
  return secrets.filter((secret) => secret !== undefined);
}

function readKey(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new StartError(
      "auth_invalid",
      [
        `Cannot read auth.jwt.publicKeyFile "${path}": ${error instanceof Error ? error.message : "unknown"}`,
      ],
      { cause: error },
    );
  }
}
