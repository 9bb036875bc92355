// Owns: pods of Holdfast nodes as data planes: their HTTP API, asked at each pod's address.
import { answerText, at, number, parsedJson, text } from "@holdfast/kube";
import { TOKEN_MAX } from "@holdfast/operator";
import type { DrainOrder, PlaneAnswer, PlanePlace, Planes } from "./plane.ts";
import { PlaneError } from "./plane.ts";

export interface NodePlanesOptions {
  readonly port: number;
  readonly scheme: "http" | "https";
  /** What stands before `/api/v1`: empty, or `/path`. */
  readonly basePath: string;
  /** The API key with the scopes `info` and `drain`. Asked before each request. */
  readonly key: () => Promise<string>;
  /** The key was refused: it may have been changed. */
  readonly keyRefused?: () => void;
  /** How long an answer may take. A node answers at once. */
  readonly timeoutMs?: number;
}

/** A node answers at once; one that does not is not heard of in this round. */
const TIMEOUT_MS = 3000;
const ANSWER_BYTES_MAX = 256 * 1024;
const REASON_LENGTH_MAX = 200;
/** The value of a label. */
const REVISION_LENGTH_MAX = 63;
/** Of any figure, so that a sum over all pods is still exact. */
const COUNT_MAX = 2 ** 40;
/**
 * A node's certificate has the name that clients ask for, never the address of its pod. So it is
 * not checked, as the kubelet's probes do not check it either.
 */
const AS_PROBES = { rejectUnauthorized: false };

/** Talks to Holdfast nodes. The key is in a header alone, never in an error. */
export class NodePlanes implements Planes {
  readonly #options: NodePlanesOptions;

  constructor(options: NodePlanesOptions) {
    this.#options = options;
  }

  async ask(place: PlanePlace): Promise<PlaneAnswer> {
    return readInfo(await this.#request(place, "GET", "/info"));
  }

  async drain(place: PlanePlace, order: DrainOrder): Promise<void> {
    await this.#request(place, "POST", "/drain", order);
  }

  async serve(place: PlanePlace, order: { readonly token: number }): Promise<void> {
    await this.#request(place, "POST", "/undrain", order);
  }

  async shed(
    place: PlanePlace,
    order: { readonly keep: number; readonly toRevision: string; readonly windowMs: number },
  ): Promise<void> {
    await this.#request(place, "POST", "/shed", order);
  }

  async #request(
    { address }: PlanePlace,
    method: "GET" | "POST",
    path: string,
    body?: object,
  ): Promise<unknown> {
    const { scheme, port, basePath, key, keyRefused, timeoutMs = TIMEOUT_MS } = this.#options;
    const host = address.includes(":") ? `[${address}]` : address;
    const act = `${method} ${path} of the node at ${host}:${port}`;
    const secret = await key();
    const authorization = `Bearer ${secret}`;
    let response: Response;
    let content: string;
    try {
      response = await fetch(`${scheme}://${host}:${port}${basePath}/api/v1${path}`, {
        method,
        headers: {
          authorization,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // A redirect would send the key to the host that it names.
        redirect: "error",
        ...(scheme === "https" ? { tls: AS_PROBES } : {}),
        signal: AbortSignal.timeout(timeoutMs),
      } as RequestInit);
      content = await bounded(response);
    } catch (cause) {
      if (cause instanceof PlaneError) throw cause;
      const why = cause instanceof Error ? cause.name : "it failed";
      throw new PlaneError("unreachable", `Cannot ${act}: ${why}, expected an answer`, { cause });
    }
    const answer = parsedJson(content);
    if (response.ok) return answer;
    // A node that repeats what it was sent must not bring the key into a log.
    const detail = text(at(answer, "detail"))
      ?.replaceAll(secret, "...")
      .slice(0, REASON_LENGTH_MAX);
    const found = `${response.status}${detail === undefined ? "" : ` (${detail})`}`;
    if (response.status === 401 || response.status === 403) {
      keyRefused?.();
      throw new PlaneError("key", `Cannot ${act}: ${found}, expected scopes info and drain`);
    }
    const code = response.status >= 500 || response.status === 429 ? "unreachable" : "refused";
    throw new PlaneError(code, `Cannot ${act}: ${found}, expected 2xx`);
  }
}

async function bounded(response: Response): Promise<string> {
  const content = await answerText(response, ANSWER_BYTES_MAX);
  if (content !== undefined) return content;
  const found = `more than ${ANSWER_BYTES_MAX} bytes`;
  throw new PlaneError("refused", `Cannot read a node's answer: ${found}`);
}

/** Exported for tests. A node that says nothing of something has none of it. */
export function readInfo(info: unknown): PlaneAnswer {
  const amount = (...path: string[]): number =>
    Math.min(COUNT_MAX, Math.max(0, number(at(info, ...path)) ?? 0));
  // The status has whole numbers: one strange answer must not keep all of it from being written.
  const count = (...path: string[]): number => Math.floor(amount(...path));
  const state = text(at(info, "state"));
  if (state === undefined) throw new PlaneError("refused", "Cannot read a node's info: no state");
  const fence = number(at(info, "fence")) ?? 0;
  const connections = count("connections");
  const fixedSockets = Math.min(connections, count("fixedSockets"));
  const isDraining = state === "draining" || state === "stopped";
  const waiting = count("waiting");
  const shedTo = text(at(info, "shed", "toRevision"))?.slice(0, REVISION_LENGTH_MAX);
  return {
    report: {
      state: isDraining ? "draining" : state === "ready" ? "ready" : "starting",
      sessions: connections - fixedSockets,
      fixedSockets,
      connectionsMax: Math.max(1, count("connectionsMax")),
      // One that no leader gave: its orders are not obeyed, and their deadlines hold.
      fence: Number.isInteger(fence) ? Math.min(TOKEN_MAX, Math.max(0, fence)) : TOKEN_MAX,
      ...(isDraining ? { drainLeftMs: amount("drain", "deadlineInMs") } : {}),
      ...(waiting > 0 ? { waiting } : {}),
      ...(shedTo === undefined
        ? {}
        : {
            shed: {
              keep: count("shed", "keep"),
              remaining: count("shed", "remaining"),
              toRevision: shedTo,
            },
          }),
    },
    run: `${text(at(info, "node"))?.slice(0, 200) ?? ""}/${number(at(info, "startedAtMs")) ?? 0}`,
    ...(at(info, "felt") === undefined
      ? {}
      : {
          felt: {
            connectionMinutes: amount("felt", "connectionMinutes"),
            resumes: count("felt", "resumes"),
            lost: count("felt", "lost"),
            slow: count("felt", "slow"),
            resumesFailed: count("felt", "resumesFailed"),
            closedAbnormally: count("felt", "closedAbnormally"),
          },
        }),
  };
}
