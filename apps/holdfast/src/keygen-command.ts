// Owns: `holdfast keygen`: a key for the HTTP API of a node or of a gateway.
import { createHash, randomBytes } from "node:crypto";
import { GATEWAY_SCOPES } from "@holdfast/gateway/options";
import { API_SCOPES } from "@holdfast/server/options";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";

/** 32 characters of base64url: 192 bits, so that a fast hash is enough to keep. */
const KEY_BYTES = 24;

/** Of a node's HTTP API, and of the gateway's control API. */
const SCOPES: readonly string[] = [...new Set([...API_SCOPES, ...GATEWAY_SCOPES])];

export interface KeyRequest {
  readonly name: string;
  readonly scopes: string;
}

/** Prints the key once, and what to put into the configuration. */
export function printKey(request: KeyRequest, host: Host): number {
  const scopes = request.scopes.split(",").map((scope) => scope.trim());
  const unknown = scopes.find((scope) => !SCOPES.includes(scope));
  if (unknown !== undefined || !/^[\w.-]{1,64}$/.test(request.name)) {
    host.err(
      unknown === undefined
        ? "--name: expected 1 to 64 letters, digits, dots, dashes, underscores\n"
        : `--scopes ${unknown}: expected some of ${SCOPES.join(", ")}\n`,
    );
    return EXIT.refused;
  }
  const key = `hfk_${randomBytes(KEY_BYTES).toString("base64url")}`;
  const keyHash = `sha256:${createHash("sha256").update(key).digest("hex")}`;
  host.out(`key (shown once; send it as "Authorization: Bearer ..."):\n  ${key}\n\n`);
  host.out(
    `configuration:\n  apiKeys:\n    - name: ${request.name}\n      keyHash: ${keyHash}\n      scopes: [${scopes.map((scope) => `"${scope}"`).join(", ")}]\n`,
  );
  return EXIT.ok;
}
