// Owns: which value of a request names the room that its client is for.
import { unitHash } from "@holdfast/rehoming";
import type { CohortOptions } from "./options/cohorts.ts";
import type { KeyOptions } from "./options/key.ts";

/** A longer value is cut: it only decides which endpoint. */
const LENGTH_MAX = 256;

/** Undefined: the request has none, and any endpoint will do. */
export function keyOf({ from, name }: KeyOptions, request: Request, url: URL): string | undefined {
  const value =
    from === "header"
      ? request.headers.get(name)
      : from === "query"
        ? url.searchParams.get(name)
        : cookieOf(request.headers.get("cookie") ?? "", name);
  return value === null || value === "" ? undefined : value.slice(0, LENGTH_MAX);
}

/** Where a client stands among the cohorts, in [0, 1): by its key, or else by chance. */
export function cohortOf({ key }: CohortOptions, request: Request, url: URL): number {
  const value = key === undefined ? undefined : keyOf(key, request, url);
  // Other words than those of rooms: who shares a room need not share a cohort.
  return value === undefined ? Math.random() : unitHash(`cohort\n${value}`);
}

/** The first cookie of this name (RFC 6265, section 5.4). */
function cookieOf(header: string, name: string): string | null {
  for (const part of header.split(";")) {
    const equals = part.indexOf("=");
    if (equals > 0 && part.slice(0, equals).trim() === name) return part.slice(equals + 1).trim();
  }
  return null;
}
