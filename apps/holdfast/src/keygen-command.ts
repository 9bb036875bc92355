// Owns: `holdfast keygen`: a key for the HTTP API.
import { createHash, randomBytes } from "node:crypto";
import { API_SCOPES } from "@holdfast/server/options";
import { EXIT } from "./exit-code.ts";
import type { Host } from "./host.ts";

/** 32 characters of base64url: 192 bits, so that a fast hash is enough to keep. */
const KEY_BYTES = 24;

export interface KeyRequest {
  readonly name: string;
  readonly scopes: string;
}

/** Prints the key once, and what to put into the configuration. */
export function printKey(request: KeyRequest, host: Host): number {
  const scopes = request.scopes.split(",").map((scope) => scope.trim());
  const unknown = scopes.find((scope) => !API_SCOPES.some((known) => known === scope));
  if (unknown !== undefined || !/^[\w.-]{1,64}$/.test(request.name)) {
    host.err(
      unknown === undefined
        ? "--name: expected 1 to 64 letters, digits, dots, dashes, underscores\n"
        : `--scopes ${unknown}: expected some of ${API_SCOPES.join(", ")}\n`,
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
