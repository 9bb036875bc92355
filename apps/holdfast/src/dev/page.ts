// Owns: the HTTP answers of a node of `holdfast dev` besides the API: the page, the nodes of a
// fleet, and the order to restart.

import type { ContractDefinition } from "@holdfast/contract";
import type { NodeFigures } from "@holdfast/core";
import {
  buildConsole,
  buildPipelinesPage,
  CONSOLE_CSP,
  type ConsoleFile,
  type FleetNode,
  LIVE_PATH,
  NODES_PATH,
} from "@holdfast/demo";
import { slotOf } from "./fleet-names.ts";

export interface PageOptions {
  /** The demo's page is for the demo's contract; another contract gets a list of its channels. */
  readonly demo: boolean;
  readonly contract: ContractDefinition;
  /** Whether there are pipelines or sources to look at. */
  readonly live: boolean;
  /** How many nodes there are. */
  readonly nodes: number;
  /** All nodes as this one knows them; asked when somebody wants to see them. */
  readonly figures: () => readonly NodeFigures[];
  /**
   * Starts a new node, or a roll of all; the answer does not wait for it. Undefined if other
   * machines can reach the node: then nobody may order it.
   */
  readonly restart: (() => void) | undefined;
}

/**
 * The answer, or undefined for paths that are not handled here. The page is built once, while the
 * node starts.
 */
export function devPage({
  demo,
  contract,
  live,
  nodes,
  figures,
  restart,
}: PageOptions): (request: Request) => Promise<Response | undefined> {
  const files = filesOf({ demo, contract, live, nodes });
  // A request for the page reports a failed build. Until then the rejection must not count as
  // unhandled.
  files.catch(() => {});
  const startedMs = performance.now();
  return async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/dev/restart") return orderRestart(request, restart);
    if (request.method !== "GET" && request.method !== "HEAD") return undefined;
    if (pathname === NODES_PATH)
      return Response.json(fleetNodes(await settled(figures, { nodes, startedMs })), {
        headers: { "cache-control": "no-store" },
      });
    const file = (await files).get(pathname);
    if (file === undefined) return undefined;
    const csp = demo || pathname !== "/" ? CONSOLE_CSP : "default-src 'none'";
    const headers = {
      "content-type": file.type,
      "content-security-policy": csp,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
    };
    // A copy, because an answer must not use memory that others share.
    const body = typeof file.body === "string" ? file.body : new Uint8Array(file.body);
    return new Response(request.method === "HEAD" ? null : body, { headers });
  };
}

async function filesOf({
  demo,
  contract,
  live,
  nodes,
}: Pick<PageOptions, "demo" | "contract" | "live" | "nodes">) {
  const own = demo
    ? await buildConsole({ nodes })
    : new Map<string, ConsoleFile>([["/", overview(contract, live)]]);
  return live ? new Map([...(await buildPipelinesPage()), ...own]) : own;
}

/**
 * A node that just started has not heard of all other nodes yet: it answers when it has, or at this
 * age.
 */
const ACQUAINTED_MS = 1500;

async function settled(
  figures: () => readonly NodeFigures[],
  { nodes, startedMs }: { readonly nodes: number; readonly startedMs: number },
): Promise<readonly NodeFigures[]> {
  while (figures().length < nodes && performance.now() - startedMs < ACQUAINTED_MS)
    await Bun.sleep(25);
  return figures();
}

/** In the order of places, an old node before the one that follows it. */
function fleetNodes(figures: readonly NodeFigures[]): readonly FleetNode[] {
  return figures
    .map(({ node, revision, state, sessions, startedAtMs }) => ({
      node,
      revision,
      state,
      sessions,
      startedAtMs,
      slot: slotOf(node) ?? 0,
    }))
    .sort((a, b) => a.slot - b.slot || a.startedAtMs - b.startedAtMs)
    .map(({ startedAtMs: _, ...shown }) => shown);
}

const LOOPBACK = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/;

/**
 * Only the page itself may order it: on this machine (Host, which a page of another name cannot
 * set, so rebinding is no way around), and same-origin.
 */
export function orderRestart(request: Request, restart: (() => void) | undefined): Response {
  if (request.method !== "POST")
    return new Response("POST only\n", { status: 405, headers: { allow: "POST" } });
  const host = request.headers.get("host") ?? "";
  const origin = request.headers.get("origin");
  const site = request.headers.get("sec-fetch-site");
  const foreign = origin !== null && origin !== `http://${host}` && origin !== `https://${host}`;
  if (
    restart === undefined ||
    !LOOPBACK.test(host) ||
    foreign ||
    (site !== null && site !== "same-origin")
  ) {
    return new Response("only the page itself may ask for this, on this machine\n", {
      status: 403,
    });
  }
  restart();
  return new Response(null, { status: 202 });
}

function overview(contract: ContractDefinition, live: boolean): ConsoleFile {
  const items = (names: readonly string[]) =>
    names.map((name) => `<li><code>${escapeHtml(name)}</code></li>`).join("");
  const rpcs = Object.keys(contract.rpc ?? {});
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark">
<title>holdfast dev</title><h1>holdfast dev</h1><p>Your contract is served at <code>/connect</code>.</p>${live ? `<p><a href="${LIVE_PATH}">Pipelines, as they run</a></p>` : ""}
<h2>Channels</h2><ul>${items(Object.keys(contract.channels))}</ul>${rpcs.length === 0 ? "" : `<h2>RPCs</h2><ul>${items(rpcs)}</ul>`}</html>\n`;
  return { body, type: "text/html; charset=utf-8" };
}

function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}
