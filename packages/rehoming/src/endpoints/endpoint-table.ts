// Owns: the endpoints of one service: which take clients, and which of them the next one gets.

import { tooMany } from "./balance.ts";
import { type CohortWeights, ofCohort } from "./cohorts.ts";
import { type EmptyingTerms, emptying, isSameOrder } from "./emptying.ts";
import {
  type Endpoint,
  type EndpointState,
  feltUntil,
  type Giver,
  giverOf,
  isIllAt,
  isOut,
  isOutdated,
  isSeen,
  type Known,
  type Order,
  stateOf,
  takes,
  weighted,
  weightOf,
} from "./endpoint.ts";
import { type EndpointFelt, more, NOTHING_FELT } from "./felt.ts";
import { HEALTH_LIMITS, type HealthLimits, healthy, illAfter } from "./health.ts";
import { afterHandshake } from "./latency.ts";
import { byRendezvous } from "./rendezvous.ts";
import type { Choice, EndpointTableOptions, OrderResult } from "./table-ports.ts";

const NO_COHORTS: CohortWeights = new Map();
const SLOW_START_MS = 10_000;
const SLOW_START_SHARE = 0.1;
/** How much more loaded the own zone may be before others help. */
const ZONE_FACTOR = 2;

/**
 * The endpoints of one service. Pure: discovery, sockets and orders tell it what happened. An
 * endpoint is kept while it has sockets, also if discovery forgot it.
 */
export class EndpointTable {
  #options = {
    connectionsMax: Number.POSITIVE_INFINITY,
    slowStartMs: SLOW_START_MS,
    cohorts: NO_COHORTS,
  };
  #health: HealthLimits = HEALTH_LIMITS;
  readonly #known = new Map<string, Known>();

  constructor(options: EndpointTableOptions = {}) {
    this.configure(options);
  }

  /** Other limits from now on. Endpoints and their clients stay. */
  configure({ connectionsMax, slowStartMs, health, cohorts }: EndpointTableOptions): void {
    this.#options = {
      connectionsMax: connectionsMax ?? Number.POSITIVE_INFINITY,
      slowStartMs: slowStartMs ?? SLOW_START_MS,
      cohorts: cohorts ?? NO_COHORTS,
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
        ...(known ?? { connections: 0, health: healthy, felt: NOTHING_FELT, feltMs: nowMs }),
        ...{ endpoint, sinceMs: isNew ? nowMs : known.sinceMs },
      });
    }
  }

  /** Its clients move, and it gets no new ones, until `undrain`. */
  drain(
    address: string,
    token: number,
    how: EmptyingTerms & { readonly nowMs: number },
  ): OrderResult {
    const before = this.#known.get(address);
    const isNew = before?.order?.isDrained !== true || before.order.token !== token;
    const outcome = this.#obey(address, { token, isDrained: true });
    // Given again it would begin anew, and its window with it.
    if (outcome === "obeyed" && isNew)
      this.#set(address, { emptying: emptying(0, how, how.nowMs) });
    return outcome;
  }

  undrain(address: string, token: number): OrderResult {
    const outcome = this.#obey(address, { token, isDrained: false });
    if (outcome === "obeyed") this.#set(address, { emptying: undefined });
    return outcome;
  }

  /**
   * It keeps so many clients, and the others move away within the window. It takes new ones as
   * before. One that is drained refuses: it keeps nobody. Without a token the order neither asks
   * for that of the last one nor changes it.
   */
  shed(
    address: string,
    keep: number,
    how: EmptyingTerms & { readonly nowMs: number; readonly token?: number | undefined },
  ): OrderResult {
    const known = this.#known.get(address);
    if (known === undefined) return "unknown";
    const { token } = how;
    if (token !== undefined && isOutdated(known, token)) return "outdated";
    if (known.order?.isDrained === true) return "drained";
    if (token !== undefined) this.#obey(address, { token });
    const next = emptying(keep, how, how.nowMs);
    if (known.emptying === undefined || !isSameOrder(known.emptying, next, how.nowMs))
      this.#set(address, { emptying: next });
    return "obeyed";
  }

  /** Its weight from now on, whatever discovery says. */
  weigh(address: string, weight: number, token: number): OrderResult {
    return this.#obey(address, { token, weight });
  }

  /** All orders about an endpoint share one token: a lower one than the last is refused. */
  #obey(address: string, order: Pick<Order, "token"> & Partial<Order>): OrderResult {
    const known = this.#known.get(address);
    if (known === undefined) return "unknown";
    if (isOutdated(known, order.token)) return "outdated";
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
    return [...this.#known.values()].map((known) => stateOf(known, feltUntil(known, nowMs), nowMs));
  }

  /** Those that give clients away now, and how many each keeps. */
  emptied(nowMs: number): readonly Giver[] {
    return [...this.#known.values()].flatMap((known) => giverOf(known, nowMs) ?? []);
  }

  /** Whether somebody takes the clients of this endpoint. */
  hasTakersFor(address: string, nowMs: number): boolean {
    return this.#takersFor(address, nowMs).some(({ endpoint }) => endpoint.address !== address);
  }

  /** Where clients with this key belong, whether there is room or not. Nothing is chosen. */
  homeOf(key: string, cohort: number | undefined, nowMs: number): string | undefined {
    const well = [...this.#known.values()].filter((one) => takes(one) && !isIllAt(nowMs)(one));
    return byRendezvous(this.#ofCohort(well, cohort), key, weighted)?.endpoint.address;
  }

  /** Of the application at this address; undefined: nobody knows it. */
  revisionOf(address: string): string | undefined {
    return this.#known.get(address)?.endpoint.revision;
  }

  /** Clients are divided among revisions: none is moved to even things out. */
  get hasCohorts(): boolean {
    return this.#options.cohorts.size > 0;
  }

  #ofCohort(from: readonly Known[], place: number | undefined): readonly Known[] {
    const { cohorts: weights } = this.#options;
    return ofCohort(from, { weights, place }, ({ endpoint }) => endpoint.revision);
  }

  /** Somebody says which endpoints get or keep how many: a drain, a weight, a number to keep. */
  isOrdered(nowMs: number): boolean {
    return [...this.#known.values()].some(
      ({ order, emptying: given }) =>
        order?.isDrained === true ||
        order?.weight !== undefined ||
        (given !== undefined && nowMs < given.untilMs),
    );
  }

  /** How many of these clients each endpoint has too many. None while the share of one grows. */
  tooMany(
    clients: ReadonlyMap<string, number>,
    zone: string | undefined,
    nowMs: number,
  ): ReadonlyMap<string, number> {
    const taking = [...this.#known.values()].filter(takes);
    if (taking.some(({ sinceMs }) => nowMs - sinceMs < this.#options.slowStartMs)) return new Map();
    const well = taking.filter((one) => !isIllAt(nowMs)(one) && this.#hasRoom(one));
    return tooMany(
      well.map((one) => ({
        address: one.endpoint.address,
        clients: clients.get(one.endpoint.address) ?? 0,
        weight:
          weightOf(one) * (zone === undefined || one.endpoint.zone === zone ? ZONE_FACTOR : 1),
      })),
    );
  }

  /** Those that take clients, however many they have. */
  taking(): readonly string[] {
    return [...this.#known.values()].filter(takes).map(({ endpoint }) => endpoint.address);
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
    const all = this.#takersFor(choice.from, nowMs).filter(this.#hasRoom);
    const wanted = all.filter(({ endpoint }) => !choice.not?.has(endpoint.address));
    // A pod that alone is left is better than none, even if it is the one to avoid.
    const open = wanted.length > 0 ? wanted : all;
    const checked = open.filter((one) => !isOut(one, nowMs));
    const [well, trial] = [
      checked.filter(isSeen("well", nowMs)),
      checked.filter(isSeen("trial", nowMs)),
    ];
    const able = [...well, ...trial];
    // Everybody seems ill: perhaps it is us, so everybody is asked.
    const from = this.#ofCohort(able.length > 0 ? able : open, choice.cohort);
    const found =
      choice.key === undefined
        ? (trial.find((one) => from.includes(one)) ?? this.#leastLoaded(from, choice, nowMs))
        : byRendezvous(from, choice.key, weighted);
    if (found === undefined) return undefined;
    const { address } = found.endpoint;
    const health = trial.includes(found) ? { ...found.health, isTried: true } : found.health;
    this.#carries(found, found.connections + 1, nowMs);
    this.#set(address, { health });
    return address;
  }

  /** A chosen endpoint took the client. `tookMs`: its handshake, if it is to be judged by that. */
  opened(address: string, nowMs: number, tookMs?: number): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    const isBack = known.health.failures > 0 || known.health.illUntilMs !== undefined;
    this.#set(address, { health: healthy, ...(isBack ? { sinceMs: nowMs } : {}) });
    if (tookMs !== undefined) this.#took(address, tookMs, nowMs);
  }

  /** One that is much slower than the others is taken out for a while. */
  #took(address: string, tookMs: number, nowMs: number): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    const others = [...this.#known.values()].filter(
      (one) => takes(one) && !isIllAt(nowMs)(one) && one !== known,
    );
    const beside = others.flatMap((one) => one.latency ?? []);
    const handshake = { tookMs, nowMs, others: beside, isFloor: this.#isFloor(nowMs) };
    const latency = afterHandshake(known.latency, handshake, this.#health);
    // Its share grows from when it is back.
    const isOut = latency.slowUntilMs > nowMs && latency !== known.latency;
    this.#set(address, { latency, ...(isOut ? { sinceMs: latency.slowUntilMs } : {}) });
  }

  /** A chosen endpoint did not take the client. */
  failed(address: string, nowMs: number): void {
    this.#gone(address, nowMs);
    this.#fell(address, nowMs);
  }

  /** An open socket is closed. `isBroken`: without a closing handshake. */
  closed(address: string, isBroken: boolean, nowMs: number): void {
    if (isBroken) this.#count(address, "closedAbnormally", 1);
    this.#gone(address, nowMs);
    if (isBroken) this.#fell(address, nowMs);
  }

  /** A client of another endpoint is its own now. */
  moved(address: string): void {
    this.#count(address, "resumes", 1);
  }

  /** A client was to be moved here, and was not. */
  moveFailed(address: string): void {
    this.#count(address, "resumesFailed", 1);
  }

  /** Frames of its clients that nobody got. */
  missed(address: string, frames: number): void {
    this.#count(address, "lost", frames);
  }

  #count(address: string, name: keyof EndpointFelt, count: number): void {
    const felt = this.#known.get(address)?.felt;
    if (felt !== undefined) this.#set(address, { felt: more(felt, name, count) });
  }

  #carries(known: Known, connections: number, nowMs: number): void {
    const felt = feltUntil(known, nowMs);
    this.#set(known.endpoint.address, { connections, felt, feltMs: nowMs });
  }

  /** Those that take a client that leaves this one; of nobody: all that take clients. */
  #takersFor(from: string | undefined, nowMs: number): readonly Known[] {
    const all = [...this.#known.values()].filter(takes);
    const order = from === undefined ? undefined : this.#known.get(from)?.emptying;
    const to = order !== undefined && nowMs < order.untilMs ? order.to : undefined;
    if (to === undefined) return all;
    const wanted = all.filter(({ endpoint }) => to.has(endpoint.address));
    return wanted.length === 0 && order?.isPreferred === true ? all : wanted;
  }

  #gone(address: string, nowMs: number): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    const connections = Math.max(0, known.connections - 1);
    if (connections === 0 && known.endpoint.leaves === true && !known.endpoint.takes)
      this.#known.delete(address);
    else this.#carries(known, connections, nowMs);
  }

  #fell(address: string, nowMs: number): void {
    const known = this.#known.get(address);
    if (known === undefined) return;
    const failures = known.health.failures + 1;
    const isIll = failures >= this.#health.failuresMax && !this.#isFloor(nowMs);
    const { times, illUntilMs } = known.health;
    const health = isIll
      ? { ...illAfter(times, this.#health, nowMs), failures }
      : { failures, times, illUntilMs, isTried: false };
    this.#set(address, { health });
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

  #set(address: string, change: Partial<Known>): void {
    const known = this.#known.get(address);
    if (known !== undefined) this.#known.set(address, { ...known, ...change });
  }
}
