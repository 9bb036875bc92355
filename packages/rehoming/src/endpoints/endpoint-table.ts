// Owns: the endpoints of one service: which take clients, and which of them the next one gets.
import { HEALTH_LIMITS, type Health, type HealthLimits, healthy, seen } from "./health.ts";

export interface EndpointTableOptions {
  /** Open and opening sockets to one endpoint. Default: no limit. */
  readonly connectionsMax?: number;
  /**
   * An endpoint that is new, or well again, takes its full share only after so long. Until then its
   * share grows evenly, from a tenth.
   */
  readonly slowStartMs?: number;
  readonly health?: Partial<HealthLimits>;
}

/** What discovery says of an endpoint. */
export interface Endpoint {
  /** `host:port`, unique in the service. */
  readonly address: string;
  /** New clients go there. False for pods that are not ready or terminate. */
  readonly takes: boolean;
  /** Its clients are to move away: it terminates. */
  readonly leaves?: boolean;
  /** 1 to 100; twice the weight gets twice the clients. Default 1. */
  readonly weight?: number;
  readonly zone?: string;
}

interface Known {
  readonly endpoint: Endpoint;
  readonly sinceMs: number;
  readonly health: Health;
  /** Open and opening sockets. */
  readonly connections: number;
  /** Ordered by somebody, with the highest fencing token that was obeyed. */
  readonly order?: Order;
  /** What active checks found. */
  readonly check?: { readonly failures: number; readonly isIll: boolean };
}

interface Order {
  readonly token: number;
  readonly isDrained: boolean;
  /** Instead of what discovery says. */
  readonly weight?: number;
}

/** An endpoint as people see it. */
export interface EndpointState {
  readonly address: string;
  /** `waiting`: it takes nobody and keeps its clients. */
  readonly state: "taking" | "ill" | "leaving" | "waiting";
  readonly connections: number;
  readonly weight: number;
  readonly zone?: string;
  /** Ordered to drain, and by which token; a token alone: an order was taken back. */
  readonly isDrained: boolean;
  readonly token?: number;
}

export interface Choice {
  /** Endpoints that are not wanted, if there is any other. */
  readonly not?: ReadonlySet<string> | undefined;
  /** Preferred; others get clients if those of the zone have twice as many for their weight. */
  readonly zone?: string | undefined;
  /** Uniform in [0, 1): which of equals. */
  readonly chance: number;
  /** Clients with the same key get the same endpoint, while it takes clients. */
  readonly key?: string | undefined;
}

const SLOW_START_MS = 10_000;
const SLOW_START_SHARE = 0.1;
/** How much more loaded the own zone may be before others help. */
const ZONE_FACTOR = 2;

export type OrderResult = "obeyed" | "unknown" | "outdated";

/**
 * The endpoints of one service. Pure: discovery, sockets and orders tell it what happened. An
 * endpoint is kept while it has sockets, also if discovery forgot it.
 */
export class EndpointTable {
  #options: Required<Omit<EndpointTableOptions, "health">> = {
    connectionsMax: Number.POSITIVE_INFINITY,
    slowStartMs: SLOW_START_MS,
  };
  #health: HealthLimits = HEALTH_LIMITS;
  readonly #known = new Map<string, Known>();

  constructor(options: EndpointTableOptions = {}) {
    this.configure(options);
  }

  /** Other limits from now on. Endpoints and their clients stay. */
  configure({ connectionsMax, slowStartMs, health }: EndpointTableOptions): void {
    this.#options = {
      connectionsMax: connectionsMax ?? Number.POSITIVE_INFINITY,
      slowStartMs: slowStartMs ?? SLOW_START_MS,
    };
    this.#health = { ...HEALTH_LIMITS, ...health };
  }

  /** What discovery knows now. What is not in it takes nobody any more, and its clients move. */
  discovered(endpoints: readonly Endpoint[], nowMs: number): void {
    const now = new Map(endpoints.map((endpoint) => [endpoint.address, endpoint]));
    for (const [address, known] of this.#known) {
      if (now.has(address)) continue;
      if (known.connections === 0) this.#known.delete(address);
      else this.#set(address, { endpoint: { ...known.endpoint, takes: false, leaves: true } });
    }
    for (const [address, endpoint] of now) {
      const known = this.#known.get(address);
      const isNew = known === undefined || (endpoint.takes && !known.endpoint.takes);
      this.#known.set(address, {
        ...(known ?? { connections: 0, health: healthy }),
        ...{ endpoint, sinceMs: isNew ? nowMs : known.sinceMs },
      });
    }
  }

  /** Its clients move, and it gets no new ones, until that is taken back. */
  order(address: string, isDrained: boolean, token: number): OrderResult {
    return this.#obey(address, { token, isDrained });
  }

  /** Its weight from now on, whatever discovery says. */
  weigh(address: string, weight: number, token: number): OrderResult {
    return this.#obey(address, { token, weight });
  }

  /** All orders about an endpoint share one token: a lower one than the last is refused. */
  #obey(address: string, order: Pick<Order, "token"> & Partial<Order>): OrderResult {
    const known = this.#known.get(address);
    if (known === undefined) return "unknown";
    if (order.token < (known.order?.token ?? 0)) return "outdated";
    this.#set(address, { order: { isDrained: false, ...known.order, ...order } });
    return "obeyed";
  }

  /**
   * What an active check found. So many failures in a row take an endpoint out, as far as the floor
   * allows, until a check succeeds.
   */
  checked(
    address: string,
    isWell: boolean,
    { failuresMax, nowMs }: { readonly failuresMax: number; readonly nowMs: number },
  ): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    if (isWell) {
      const isBack = known.check?.isIll === true;
      const check = { failures: 0, isIll: false };
      return this.#set(address, { check, ...(isBack ? { sinceMs: nowMs } : {}) });
    }
    const failures = (known.check?.failures ?? 0) + 1;
    const isIll =
      known.check?.isIll === true ||
      (failures >= failuresMax && (isIllAt(nowMs)(known) || !this.#isFloor(nowMs)));
    this.#set(address, { check: { failures, isIll } });
  }

  /** There are no active checks any more: what they found is forgotten. */
  unchecked(): void {
    for (const { endpoint } of [...this.#known.values()])
      this.#set(endpoint.address, { check: { failures: 0, isIll: false } });
  }

  /** Every endpoint, in the order of discovery. */
  list(nowMs: number): readonly EndpointState[] {
    return [...this.#known.values()].map((known) => {
      const { endpoint, connections, order } = known;
      const { address, zone } = endpoint;
      return {
        ...{ address, connections, weight: weightOf(known) },
        state: leaves(known)
          ? "leaving"
          : !takes(known)
            ? "waiting"
            : isIllAt(nowMs)(known)
              ? "ill"
              : "taking",
        isDrained: order?.isDrained === true,
        ...(zone === undefined ? {} : { zone }),
        ...(order === undefined ? {} : { token: order.token }),
      };
    });
  }

  /** Those whose clients are to move away. */
  leaving(): readonly string[] {
    return this.#addresses(leaves);
  }

  /** Those that take clients, however many they have. */
  taking(): readonly string[] {
    return this.#addresses(takes);
  }

  connections(address: string): number {
    return this.#known.get(address)?.connections ?? 0;
  }

  get size(): number {
    return this.#known.size;
  }

  /**
   * The endpoint for a client, or undefined: nobody takes one now. Whoever gets it MUST call
   * `opened` or `failed` and, after `opened`, `closed`.
   */
  choose(choice: Choice, nowMs: number): string | undefined {
    const all = [...this.#known.values()].filter(takes).filter(this.#hasRoom);
    const wanted = all.filter(({ endpoint }) => !choice.not?.has(endpoint.address));
    // A pod that alone is left is better than none, even if it is the one to avoid.
    const open = wanted.length > 0 ? wanted : all;
    const checked = open.filter(({ check }) => check?.isIll !== true);
    const [well, trial] = [
      checked.filter(isSeen("well", nowMs)),
      checked.filter(isSeen("trial", nowMs)),
    ];
    const able = [...well, ...trial];
    // Everybody seems ill: perhaps it is us, so everybody is asked.
    const from = able.length > 0 ? able : open;
    const found =
      choice.key === undefined
        ? (trial[0] ?? this.#leastLoaded(from, choice, nowMs))
        : byRendezvous(from, choice.key);
    if (found === undefined) return undefined;
    const { address } = found.endpoint;
    const health = trial.includes(found) ? { ...found.health, isTried: true } : found.health;
    this.#set(address, { connections: found.connections + 1, health });
    return address;
  }

  /** A chosen endpoint took the client. */
  opened(address: string, nowMs: number): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    const isBack = known.health.failures > 0 || known.health.illUntilMs !== undefined;
    this.#set(address, { health: healthy, ...(isBack ? { sinceMs: nowMs } : {}) });
  }

  /** A chosen endpoint did not take the client. */
  failed(address: string, nowMs: number): void {
    this.#gone(address);
    this.#fell(address, nowMs);
  }

  /** An open socket is closed. `isBroken`: without a closing handshake. */
  closed(address: string, isBroken: boolean, nowMs: number): void {
    this.#gone(address);
    if (isBroken) this.#fell(address, nowMs);
  }

  #gone(address: string): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    const connections = Math.max(0, known.connections - 1);
    if (connections === 0 && known.endpoint.leaves === true && !known.endpoint.takes)
      this.#known.delete(address);
    else this.#set(address, { connections });
  }

  #fell(address: string, nowMs: number): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    const failures = known.health.failures + 1;
    const isIll = failures >= this.#health.failuresMax && !this.#isFloor(nowMs);
    const times = known.health.times + (isIll ? 1 : 0);
    const illMs = Math.min(this.#health.illMsMax, this.#health.illMs * 2 ** (times - 1));
    const illUntilMs = isIll ? nowMs + illMs : known.health.illUntilMs;
    this.#set(address, { health: { failures, times, illUntilMs, isTried: false } });
  }

  /** Nobody else is taken out: the rest could not carry everybody. */
  #isFloor(nowMs: number): boolean {
    const takers = [...this.#known.values()].filter(takes);
    const ill = takers.filter(isIllAt(nowMs));
    return ill.length + 1 > takers.length * (1 - this.#health.wellShareMin);
  }

  readonly #hasRoom = ({ connections }: Known): boolean =>
    connections < this.#options.connectionsMax;

  #leastLoaded(from: readonly Known[], choice: Choice, nowMs: number): Known | undefined {
    const loaded = from.map((known) => {
      const isOwn = choice.zone === undefined || known.endpoint.zone === choice.zone;
      return { known, load: this.#load(known, nowMs) * (isOwn ? 1 : ZONE_FACTOR) };
    });
    const least = Math.min(...loaded.map(({ load }) => load));
    const equals = loaded.filter(({ load }) => load === least);
    return equals[Math.floor(choice.chance * equals.length)]?.known;
  }

  /** Connections for each part of the share that it has now, with the one to come. */
  #load(known: Known, nowMs: number): number {
    const { connections, sinceMs } = known;
    const age = (nowMs - sinceMs) / Math.max(1, this.#options.slowStartMs);
    const share = Math.min(1, Math.max(SLOW_START_SHARE, age));
    return (connections + 1) / (weightOf(known) * share);
  }

  #addresses(isMeant: (known: Known) => boolean): readonly string[] {
    return [...this.#known.values()].filter(isMeant).map(({ endpoint }) => endpoint.address);
  }

  #set(address: string, change: Partial<Known>): void {
    const known = this.#known.get(address);
    if (known !== undefined) this.#known.set(address, { ...known, ...change });
  }
}

const takes = ({ endpoint, order }: Known): boolean => endpoint.takes && order?.isDrained !== true;
const weightOf = ({ endpoint, order }: Known): number => order?.weight ?? endpoint.weight ?? 1;
const isSeen =
  (as: ReturnType<typeof seen>, nowMs: number) =>
  ({ health }: Known): boolean =>
    seen(health, nowMs) === as;
/** By its sockets, or by checks. */
const isIllAt =
  (nowMs: number) =>
  (known: Known): boolean =>
    known.check?.isIll === true || !isSeen("well", nowMs)(known);
const leaves = ({ endpoint, order }: Known): boolean =>
  endpoint.leaves === true || order?.isDrained === true;

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1998): if an endpoint goes, only its keys move. With
 * weights after Schindelhauer and Schomaker (2005).
 */
function byRendezvous(from: readonly Known[], key: string): Known | undefined {
  let best: Known | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const known of from) {
    const { address } = known.endpoint;
    const score = weightOf(known) / -Math.log(unitHash(`${key}\n${address}`));
    if (score > bestScore) [best, bestScore] = [known, score];
  }
  return best;
}

/** FNV-1a with the finish of MurmurHash3: in (0, 1). */
function unitHash(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32;
}
