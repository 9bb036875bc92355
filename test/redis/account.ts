// Owns: the account that docs/operations/redis.md documents, made on real servers.
import { readFileSync } from "node:fs";
import type { TestServer } from "./servers.ts";

const PAGE = new URL("../../docs/operations/redis.md", import.meta.url);
const PASSWORD = "documented";

/** The words of the page's ACL SETUSER behind the account's name. */
export function documentedRules(): readonly string[] {
  const found = /```\n(ACL SETUSER holdfast [^`]*)```/.exec(readFileSync(PAGE, "utf8"));
  if (found?.[1] === undefined) throw new Error("the page about Redis has no ACL SETUSER");
  return found[1].replaceAll("\\\n", " ").trim().split(/\s+/).slice(3);
}

/** Makes the account on the servers, and nothing else may be used then. Answers the URL with it. */
export async function grantDocumented(
  url: string,
  servers: readonly TestServer[],
  change: readonly string[] = [],
): Promise<string> {
  const rules = documentedRules().map((rule) => (rule === ">PASSWORD" ? `>${PASSWORD}` : rule));
  for (const server of servers)
    await server.ask("ACL", "SETUSER", "holdfast", "reset", ...rules, ...change);
  return url.replaceAll("://", `://holdfast:${PASSWORD}@`);
}
