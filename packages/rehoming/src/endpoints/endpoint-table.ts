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
  readonly drain?: { readonly token: number; readonly isOn: boolean };
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
  readonly #options: Required<Omit<EndpointTableOptions, "health">>;
  readonly #health: HealthLimits;
  readonly #known = new Map<string, Known>();

  constructor({ connectionsMax, slowStartMs, health }: EndpointTableOptions = {}) {
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

  /** Its clients move, and it gets no new ones, until `undrain`. Lower tokens are refused. */
  order(address: string, isOn: boolean, token: number): OrderResult {
    const known = this.#known.get(address);
    if (known === undefined) return "unknown";
    if (token < (known.drain?.token ?? 0)) return "outdated";
    this.#set(address, { drain: { token, isOn } });
    return "obeyed";
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
    const [well, trial] = [open.filter(isSeen("well", nowMs)), open.filter(isSeen("trial", nowMs))];
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
    const takers = [...this.#known.values()].filter(takes);
    const ill = takers.filter((known) => !isSeen("well", nowMs)(known));
    // Below the floor nobody else is taken out: the rest could not carry everybody.
    const isFloor = ill.length + 1 > takers.length * (1 - this.#health.wellShareMin);
    const failures = known.health.failures + 1;
    const isIll = failures >= this.#health.failuresMax && !isFloor;
    const times = known.health.times + (isIll ? 1 : 0);
    const illMs = Math.min(this.#health.illMsMax, this.#health.illMs * 2 ** (times - 1));
    const illUntilMs = isIll ? nowMs + illMs : known.health.illUntilMs;
    this.#set(address, { health: { failures, times, illUntilMs, isTried: false } });
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
  #load({ connections, endpoint, sinceMs }: Known, nowMs: number): number {
    const age = (nowMs - sinceMs) / Math.max(1, this.#options.slowStartMs);
    const share = Math.min(1, Math.max(SLOW_START_SHARE, age));
    return (connections + 1) / ((endpoint.weight ?? 1) * share);
  }

  #addresses(isMeant: (known: Known) => boolean): readonly string[] {
    return [...this.#known.values()].filter(isMeant).map(({ endpoint }) => endpoint.address);
  }

  #set(address: string, change: Partial<Known>): void {
    const known = this.#known.get(address);
    if (known !== undefined) this.#known.set(address, { ...known, ...change });
  }
}

const takes = ({ endpoint, drain }: Known): boolean => endpoint.takes && drain?.isOn !== true;
const isSeen =
  (as: ReturnType<typeof seen>, nowMs: number) =>
  ({ health }: Known): boolean =>
    seen(health, nowMs) === as;
const leaves = ({ endpoint, drain }: Known): boolean =>
  endpoint.leaves === true || drain?.isOn === true;

/**
 * Rendezvous hashing (Thaler and Ravishankar, 1998): if an endpoint goes, only its keys move. With
 * weights after Schindelhauer and Schomaker (2005).
 */
function byRendezvous(from: readonly Known[], key: string): Known | undefined {
  let best: Known | undefined;
  let bestScore = Number.NEGATIVE_INFINITY;
  for (const known of from) {
    const { address, weight = 1 } = known.endpoint;
    const score = weight / -Math.log(unitHash(`${key}\n${address}`));
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
