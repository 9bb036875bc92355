// Owns: pods of Holdfast nodes as data planes: their HTTP API, asked at each pod's address.
import { at, number, text } from "@holdfast/kube";
import { TOKEN_MAX } from "@holdfast/operator";
import type { DrainOrder, PlaneAnswer, PlanePlace, Planes, ShedOrder } from "./plane.ts";
import { PlaneError } from "./plane.ts";
import { PlaneHttp, type PlaneHttpOptions } from "./plane-http.ts";

/** The key needs the scopes `info` and `drain`. */
export type NodePlanesOptions = Omit<PlaneHttpOptions, "called" | "scopes" | "bytesMax">;

const ANSWER_BYTES_MAX = 256 * 1024;
/** The value of a label. */
const REVISION_LENGTH_MAX = 63;
/** Of any figure, so that a sum over all pods is still exact. */
const COUNT_MAX = 2 ** 40;

/** Talks to Holdfast nodes. */
export class NodePlanes implements Planes {
  readonly #http: PlaneHttp;

  constructor(options: NodePlanesOptions) {
    this.#http = new PlaneHttp({
      ...options,
      ...{ called: "node", scopes: "info and drain", bytesMax: ANSWER_BYTES_MAX },
    });
  }

  async ask({ address }: PlanePlace): Promise<PlaneAnswer> {
    return readInfo(await this.#http.request(address, "GET", "/info"));
  }

  async drain({ address }: PlanePlace, order: DrainOrder): Promise<void> {
    await this.#http.request(address, "POST", "/drain", order);
  }

  async serve({ address }: PlanePlace, order: { readonly token: number }): Promise<void> {
    await this.#http.request(address, "POST", "/undrain", order);
  }

  async shed({ address }: PlanePlace, order: ShedOrder): Promise<void> {
    await this.#http.request(address, "POST", "/shed", order);
  }
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
