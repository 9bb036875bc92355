// Owns: any servers behind gateways as data planes: the gateways hold their clients, so they are
// asked about each pod, and take the orders for it.
import { at, list, number, text } from "@holdfast/kube";
import { TOKEN_MAX } from "@holdfast/operator";
import type { DrainOrder, Felt, PlaneAnswer, PlanePlace, Planes, ShedOrder } from "./plane.ts";
import { PlaneError } from "./plane.ts";
import { PlaneHttp, type PlaneHttpOptions } from "./plane-http.ts";
import { type GatewayTrouble, SilentGateways } from "./silent-gateways.ts";

/** The key needs the scopes `endpoints` and `drain`. */
export interface GatewayPlanesOptions
  extends Omit<PlaneHttpOptions, "called" | "scopes" | "bytesMax" | "basePath"> {
  /** Addresses of the gateways that run now. Rejects if nobody knows. */
  readonly gateways: () => Promise<readonly string[]>;
  /** The route whose endpoints are the pods. */
  readonly route: string;
  /** Port of the pods, as their endpoints have it. */
  readonly podPort: number;
  /** Connections that one pod carries: no gateway knows it. */
  readonly connectionsMax: number;
  /** Addresses of the ready pods of a revision. */
  readonly podsOf: (revision: string) => readonly string[];
  readonly nowMs: () => number;
  /** Why a gateway that does not answer holds nobody; undefined: it may hold clients. */
  readonly whyGone: (gateway: string) => Promise<string | undefined>;
}

/** Some hundred bytes for each endpoint; a set has a thousand pods at most. */
const ANSWER_BYTES_MAX = 2 * 1024 * 1024;
/** All pods of a set are asked within a moment: one answer of a gateway is for all of them. */
const SHARED_MS = 500;
const GATEWAYS_MAX = 100;
/** Pods of a set at most, and the longest page of a gateway. */
const PAGE = 1000;
const COUNT_MAX = 2 ** 40;
const FELT = [
  "connectionMinutes",
  "resumes",
  "lost",
  "slow",
  "resumesFailed",
  "closedAbnormally",
] as const satisfies readonly (keyof Felt)[];
const NOTHING_FELT: Felt = {
  ...{ connectionMinutes: 0, resumes: 0, lost: 0 },
  ...{ slow: 0, resumesFailed: 0, closedAbnormally: 0 },
};

/** One endpoint as one gateway sees it. */
interface Seen {
  readonly sessions: number;
  readonly fixedSockets: number;
  readonly fence: number;
  readonly isDraining: boolean;
  /** Absent: its drain has no end. */
  readonly drainLeftMs?: number;
  readonly shed?: { readonly keep: number; readonly remaining: number };
  readonly felt: Felt;
}

interface GatewayView {
  /** Changes with each process of the gateway. */
  readonly run: string;
  readonly endpoints: ReadonlyMap<string, Seen>;
}

/** What is kept of one pod. */
interface Kept {
  /** When it was asked for last. */
  atMs: number;
  /** What clients felt, added up over all gateways and their runs. */
  felt: Felt;
  /** What each gateway had counted when it was last heard, and in which run. */
  readonly counted: Map<string, { readonly run: string; readonly felt: Felt }>;
  /** Where its shed sessions were told to go: gateways know addresses, no revisions. */
  shedTo: string | undefined;
}

/** A pod that nobody asks about any more is forgotten after this. */
const KEPT_MS = 600_000;

/**
 * Talks to gateways. A pod's report is the sum over all of them, so it is there only if all of them
 * answer, but for those that are gone. An order is obeyed if all of them obeyed it; one that did
 * not makes it be given again.
 *
 * A gateway that starts or ends is no crash of a pod: counts are added up here, for each pod.
 */
export class GatewayPlanes implements Planes {
  readonly #options: GatewayPlanesOptions;
  readonly #http: PlaneHttp;
  #round: { readonly views: Promise<ReadonlyMap<string, GatewayView>>; readonly atMs: number };
  readonly #kept = new Map<string, Kept>();
  readonly #silent: SilentGateways;

  constructor(options: GatewayPlanesOptions) {
    this.#options = options;
    this.#silent = new SilentGateways(options);
    this.#http = new PlaneHttp({
      ...options,
      ...{ called: "gateway", scopes: "endpoints and drain" },
      ...{ bytesMax: ANSWER_BYTES_MAX, basePath: "" },
    });
    this.#round = { views: Promise.resolve(new Map()), atMs: Number.NEGATIVE_INFINITY };
  }

  async ask({ uid, address }: PlanePlace): Promise<PlaneAnswer> {
    const views = await this.#views();
    const endpoint = this.#endpointOf(address);
    const seen = [...views.values()].flatMap((view) => view.endpoints.get(endpoint) ?? []);
    if (seen.length === 0)
      throw new PlaneError(
        "unreachable",
        `Cannot ask about ${endpoint}: no gateway has it as an endpoint of ${this.#options.route}`,
      );
    const sum = (of: (one: Seen) => number): number => seen.reduce((all, one) => all + of(one), 0);
    const { state, fence } = stateOf(seen, views.size);
    const leftMs = seen.flatMap(({ drainLeftMs }) => drainLeftMs ?? []);
    return {
      report: {
        state,
        sessions: sum(({ sessions }) => sessions),
        fixedSockets: sum(({ fixedSockets }) => fixedSockets),
        connectionsMax: this.#options.connectionsMax,
        fence,
        ...(state === "draining" && leftMs.length > 0 ? { drainLeftMs: Math.max(...leftMs) } : {}),
        ...this.#shedOf(uid, seen),
      },
      run: uid,
      felt: this.#feltOf(uid, endpoint, views),
    };
  }

  async drain(place: PlanePlace, order: DrainOrder): Promise<void> {
    const { toRevision, ...rest } = order;
    const to = toRevision === undefined ? {} : { to: this.#addressesOf(toRevision) };
    await this.#order(place, "drain", { ...rest, ...to });
  }

  async serve(place: PlanePlace, order: { readonly token: number }): Promise<void> {
    await this.#order(place, "undrain", order);
  }

  async shed(place: PlanePlace, order: ShedOrder): Promise<void> {
    const { keep, toRevision, ...rest } = order;
    const views = await this.#views();
    const endpoint = this.#endpointOf(place.address);
    const to = this.#addressesOf(toRevision);
    // Each gateway keeps its part, so that all together keep `keep`.
    const held = new Map(
      [...views].map(([gateway, view]) => [gateway, view.endpoints.get(endpoint)?.sessions ?? 0]),
    );
    const all = [...held.values()].reduce((sum, one) => sum + one, 0);
    let before = 0;
    const orders = [...held].map(([gateway, sessions]) => {
      const kept = (upTo: number): number =>
        all === 0 ? 0 : Math.floor((Math.min(keep, all) * upTo) / all);
      const part = kept(before + sessions) - kept(before);
      before += sessions;
      return this.#post(gateway, { endpoint, act: "shed" }, { ...rest, keep: part, to });
    });
    await Promise.all(orders);
    this.#keptOf(place.uid).shedTo = toRevision;
  }

  async #order(place: PlanePlace, act: string, body: object): Promise<void> {
    const endpoint = this.#endpointOf(place.address);
    const gateways = (await this.#gateways()).filter((gateway) => !this.#silent.isGone(gateway));
    this.#keptOf(place.uid).shedTo = undefined;
    const answers = await Promise.allSettled(
      gateways.map((gateway) => this.#post(gateway, { endpoint, act }, body)),
    );
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  #post(
    gateway: string,
    { endpoint, act }: { readonly endpoint: string; readonly act: string },
    body: object,
  ): Promise<unknown> {
    const path = `/endpoints/${encodeURIComponent(this.#options.route)}/${encodeURIComponent(endpoint)}/${act}`;
    return this.#http.request(gateway, "POST", path, body);
  }

  async #gateways(): Promise<readonly string[]> {
    const found = await this.#options.gateways();
    if (found.length > 0 && found.length <= GATEWAYS_MAX) return found;
    throw new PlaneError(
      "unreachable",
      `Cannot ask the gateways: found ${found.length} of them, expected 1 to ${GATEWAYS_MAX}`,
    );
  }

  /** What all gateways say, by their addresses. */
  #views(): Promise<ReadonlyMap<string, GatewayView>> {
    const nowMs = this.#options.nowMs();
    if (nowMs - this.#round.atMs >= SHARED_MS) this.#round = { views: this.#askAll(), atMs: nowMs };
    return this.#round.views;
  }

  async #askAll(): Promise<ReadonlyMap<string, GatewayView>> {
    const path = `/endpoints?limit=${PAGE}&route=${encodeURIComponent(this.#options.route)}`;
    const gateways = await this.#gateways();
    this.#silent.keep(gateways);
    const views = await Promise.all(
      gateways.map(async (gateway) => ({ gateway, view: await this.#viewOf(gateway, path) })),
    );
    return new Map(
      views.flatMap(({ gateway, view }) => (view === undefined ? [] : [[gateway, view]])),
    );
  }

  /** Undefined: it is gone. Nobody waits for it. */
  async #viewOf(gateway: string, path: string): Promise<GatewayView | undefined> {
    if (!this.#silent.isGone(gateway)) return await this.#askOne(gateway, path);
    if (this.#silent.isDue(gateway)) void this.#askOne(gateway, path).catch(() => {});
    return undefined;
  }

  async #askOne(gateway: string, path: string): Promise<GatewayView | undefined> {
    try {
      const view = readEndpoints(await this.#http.request(gateway, "GET", path));
      this.#silent.answered(gateway);
      return view;
    } catch (error) {
      const isSilent = error instanceof PlaneError && error.code === "unreachable";
      if (isSilent && this.#silent.missed(gateway)) return undefined;
      throw error;
    }
  }

  trouble(): GatewayTrouble {
    return this.#silent.trouble();
  }

  #shedOf(uid: string, seen: readonly Seen[]): Pick<PlaneAnswer["report"], "shed"> {
    const toRevision = this.#keptOf(uid).shedTo;
    const parts = seen.flatMap(({ shed }) => shed ?? []);
    if (toRevision === undefined || parts.length === 0) return {};
    return {
      shed: {
        keep: parts.reduce((sum, { keep }) => sum + keep, 0),
        remaining: parts.reduce((sum, { remaining }) => sum + remaining, 0),
        toRevision,
      },
    };
  }

  #feltOf(uid: string, endpoint: string, views: ReadonlyMap<string, GatewayView>): Felt {
    const kept = this.#keptOf(uid);
    const sum = { ...kept.felt };
    for (const [gateway, { run, endpoints }] of views) {
      const felt = endpoints.get(endpoint)?.felt;
      if (felt === undefined) continue;
      const before = kept.counted.get(gateway);
      const known = before?.run === run ? before.felt : NOTHING_FELT;
      for (const name of FELT) sum[name] += Math.max(0, felt[name] - known[name]);
      kept.counted.set(gateway, { run, felt });
    }
    for (const gateway of kept.counted.keys())
      if (!views.has(gateway)) kept.counted.delete(gateway);
    kept.felt = sum;
    return sum;
  }

  #keptOf(uid: string): Kept {
    const nowMs = this.#options.nowMs();
    const kept = this.#kept.get(uid);
    if (kept !== undefined) {
      kept.atMs = nowMs;
      return kept;
    }
    for (const [other, { atMs }] of this.#kept)
      if (nowMs - atMs > KEPT_MS) this.#kept.delete(other);
    const made = { atMs: nowMs, felt: NOTHING_FELT, counted: new Map(), shedTo: undefined };
    this.#kept.set(uid, made);
    return made;
  }

  #addressesOf(revision: string): readonly string[] {
    return this.#options.podsOf(revision).map((address) => this.#endpointOf(address));
  }

  #endpointOf(address: string): string {
    return `${address.includes(":") ? `[${address}]` : address}:${this.#options.podPort}`;
  }
}

/**
 * What all gateways do, by the last order that one of them obeyed. It drains if all of them drain
 * by that order, and serves if none drains. Otherwise somebody missed the order: the state is then
 * the one that was not ordered, so that the order is given again.
 */
function stateOf(
  seen: readonly Seen[],
  gateways: number,
): { readonly state: "draining" | "ready"; readonly fence: number } {
  const fence = Math.max(...seen.map((one) => one.fence));
  const last = seen.filter((one) => one.fence === fence);
  if (last.every(({ isDraining }) => !isDraining))
    return { state: seen.some(({ isDraining }) => isDraining) ? "draining" : "ready", fence };
  // Gateways that do not know the endpoint yet obeyed nothing.
  const isWhole = last.length === gateways && last.every(({ isDraining }) => isDraining);
  return { state: isWhole ? "draining" : "ready", fence };
}

/** Exported for tests. A gateway that says nothing of something has none of it. */
export function readEndpoints(answer: unknown): GatewayView {
  const gateway = text(at(answer, "gateway"));
  if (gateway === undefined)
    throw new PlaneError("refused", "Cannot read a gateway's endpoints: it does not say its name");
  const endpoints = list(at(answer, "endpoints")).flatMap((one): [string, Seen][] => {
    const address = text(at(one, "address"));
    return address === undefined ? [] : [[address, readEndpoint(one)]];
  });
  return {
    run: `${gateway.slice(0, 200)}/${number(at(answer, "startedAtMs")) ?? 0}`,
    endpoints: new Map(endpoints),
  };
}

function readEndpoint(one: unknown): Seen {
  const amount = (...path: string[]): number =>
    Math.min(COUNT_MAX, Math.max(0, number(at(one, ...path)) ?? 0));
  const count = (...path: string[]): number => Math.floor(amount(...path));
  const fence = number(at(one, "fence")) ?? 0;
  const felt = { ...NOTHING_FELT };
  for (const name of FELT) Object.assign(felt, { [name]: amount("felt", name) });
  return {
    sessions: count("sessions"),
    fixedSockets: count("fixedSockets"),
    // One that no leader gave: its orders are not obeyed, and their deadlines hold.
    fence: Number.isInteger(fence) ? Math.min(TOKEN_MAX, Math.max(0, fence)) : TOKEN_MAX,
    isDraining: at(one, "drain") !== undefined,
    ...(number(at(one, "drain", "deadlineInMs")) === undefined
      ? {}
      : { drainLeftMs: amount("drain", "deadlineInMs") }),
    ...(at(one, "shed") === undefined
      ? {}
      : { shed: { keep: count("shed", "keep"), remaining: count("shed", "remaining") } }),
    felt,
  };
}
