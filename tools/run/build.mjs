// Owns: building what is published: the client for programs that do not run TypeScript.
import { passOn } from "./child.mjs";

/** The program that builds packages/client/dist. */
export const CLIENT_BUILD = "tools/build-client.ts";

/** What builds, packs and checks everything that is published. */
export const PACKAGES_BUILD = ["tools/release/release.ts", "--dry-run"];

/** @param {string} bun @returns {Promise<number>} exit status */
export function buildClient(bun) {
  return passOn(bun, [CLIENT_BUILD]);
}
