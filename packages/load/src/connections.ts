// Owns: all connections of one worker: their schedule, the phases, what is sampled of them.

import { Client, type ClientWorld, DUE, type Due } from "./client.ts";
import { driverOf } from "./drivers/drivers.ts";
import { payloadMaker } from "./payload-stamp.ts";
import {
  type ConnectPhase,
  type DropPhase,
  type HoldPhase,
  type LoadPlan,
  loadOf,
  type Phase,
  type Rhythm,
} from "./plan.ts";
import { type Member, type Population, populationOf } from "./population.ts";
import { Recorder } from "./recorder.ts";
import { Schedule } from "./schedule.ts";
import type { StreamTruth } from "./stream-check.ts";
import { addressesOf } from "./target-addresses.ts";

export interface ConnectionsOptions {
  readonly plan: LoadPlan;
  readonly run: number;
  /** This worker has every `of`-th member, beginning with `share`. */
  readonly share: number;
  readonly of: number;
  readonly nowUs: () => number;
  readonly random: () => number;
}

/**
 * What streams of this worker sent. Numbers that were refused or never answered do not count as
 * lost.
 */
export interface SentStreams {
  readonly sent: readonly (readonly [stream: number, count: number])[];
  readonly excused: readonly (readonly [stream: number, numbers: readonly number[]])[];
}

const KINDS = 8;
/** Pause until another client is chosen to be replaced, if the chosen one waits for an answer. */
const CHURN_RETRY_US = 1000;
const CHURN = -1;
const DROP = -2;
const EXCUSED_MAX = 1_000_000;

export class Connections {
  readonly recorder = new Recorder();
  readonly clients: readonly Client[];
  readonly population: Population;
  readonly #options: ConnectionsOptions;
  /** Openings, timeouts, keep-alives. */
  readonly #life = new Schedule();
  /** What the phase asks for; a new one for each phase. */
  #load = new Schedule();
  #phase: Phase | undefined;
  #phaseEndUs = 0;
  #hasBegun = false;
  #isDropDue = false;
  readonly #excused = new Map<number, number[]>();
  #excusedCount = 0;
  readonly #places = new Map<Client, number>();

  constructor(options: ConnectionsOptions) {
    this.#options = options;
    const { plan, run, share, of } = options;
    this.population = populationOf(plan, run.toString(16).padStart(4, "0"));
    const world = this.#world();
    this.clients = this.population.members
      .filter(({ index }) => index % of === share)
      .map((member) => new Client(member, world));
    for (const [place, client] of this.clients.entries()) this.#places.set(client, place);
  }

  /** Begins a phase at the given time. */
  begin(phase: Phase, startUs: number): void {
    this.#phase = phase;
    this.#load = new Schedule();
    this.recorder.turn(startUs);
    if (phase.do === "connect") this.#beginConnecting(phase, startUs);
    else this.#beginLoad(phase, startUs);
    this.#isDropDue = phase.do === "drop";
    if (this.#isDropDue) this.#addLoad(startUs, DROP);
  }

  /** Nothing new from now on; what is on its way may arrive. */
  quiet(): void {
    this.#load = new Schedule();
    this.#phase = undefined;
    this.#isDropDue = false;
  }

  /** Clients that are to be there at the end of the phase and are not (yet). */
  absent(): number {
    if (this.#isDropDue) return this.clients.length;
    const phase = this.#phase;
    let count = 0;
    for (const { state, member } of this.clients) {
      if (state === "up" || state === "gone") continue;
      if (phase?.do === "connect" ? this.#isInShare(member, phase.share) : state !== "new") count++;
    }
    return count;
  }

  /** Clients of which a needed request was refused. */
  gaveUp(): number {
    let count = 0;
    for (const client of this.clients) if (client.gaveUp) count++;
    return count;
  }

  connected(): number {
    let count = 0;
    for (const { state } of this.clients) if (state === "up" || state === "joining") count++;
    return count;
  }

  /** The time of the next action, in µs; undefined: none. */
  nextUs(): number | undefined {
    const [life, load] = [this.#life.next(), this.#load.next()];
    return life === undefined ? load : load === undefined ? life : Math.min(life, load);
  }

  /**
   * Does every action whose time has come. `armedUs` is the time for which this call was planned.
   * An action due before it counts as intended for `armedUs`, because a timer has a grain. A later
   * action counts as intended for its own time, so that a late call hides nothing.
   */
  work(armedUs: number): void {
    const nowUs = this.#options.nowUs();
    for (let us = this.#life.next(); us !== undefined && us <= nowUs; us = this.#life.next()) {
      const what = this.#life.take(nowUs) ?? 0;
      this.clients[Math.floor(what / KINDS)]?.due((what % KINDS) as Due, us);
    }
    const load = this.#load;
    for (let us = load.next(); us !== undefined && us <= nowUs; us = load.next()) {
      const what = load.take(nowUs) ?? 0;
      const intendedUs = Math.max(us, armedUs);
      this.recorder.time("lateness", this.#options.nowUs() - intendedUs, { atUs: intendedUs });
      this.#perform(what, { us, intendedUs });
    }
  }

  sentStreams(): SentStreams {
    return {
      sent: this.clients.flatMap(({ member, sent }) =>
        member.streams.map(({ id }, place) => [id, sent[place] ?? 0] as const),
      ),
      excused: [...this.#excused],
    };
  }

  missing(truth: (stream: number) => StreamTruth): number {
    return this.clients.reduce((sum, client) => sum + client.missing(truth), 0);
  }

  unanswered(): number {
    return this.clients.reduce((sum, client) => sum + client.unanswered, 0);
  }

  leave(): void {
    for (const client of this.clients) client.leave();
  }

  #world(): ClientWorld {
    const { plan, run, nowUs, random } = this.#options;
    const { target } = plan;
    const driver = driverOf(target.driver);
    const speaking = {
      codec: target.codec,
      ...(target.token === undefined ? {} : { token: target.token }),
    };
    return {
      driver,
      speaking,
      run,
      population: this.population,
      recorder: this.recorder,
      handshakeMsMax: target.handshakeMsMax,
      comesBack: target.comesBack,
      payload: payloadMaker(plan.payload),
      address: addressesOf(target, driver, speaking),
      nowUs,
      random,
      at: (us, client, due) => this.#life.add(us, (this.#places.get(client) ?? 0) * KINDS + due),
      hasBegun: () => this.#hasBegun,
      excuse: (stream, n) => {
        if (this.#excusedCount++ >= EXCUSED_MAX) return;
        const known = this.#excused.get(stream);
        if (known === undefined) this.#excused.set(stream, [n]);
        else known.push(n);
      },
    };
  }

  #beginConnecting(phase: ConnectPhase, startUs: number): void {
    let place = 0;
    for (const member of this.population.members) {
      if (!this.#isInShare(member, phase.share)) continue;
      const client = this.#own(member);
      // Every worker counts all members, so that together they keep the rate.
      if (client === undefined) place++;
      else if (client.state === "new")
        client.openAt(startUs + (place++ * 1_000_000) / phase.perSecond);
    }
  }

  #own(member: Member): Client | undefined {
    const { share, of } = this.#options;
    return member.index % of === share ? this.clients[Math.floor(member.index / of)] : undefined;
  }

  #isInShare({ index, group }: Member, share: number): boolean {
    let first = 0;
    for (const other of this.#options.plan.groups) {
      if (other === group) break;
      first += other.connections;
    }
    return index - first < Math.ceil(share * group.connections);
  }

  #beginLoad(phase: HoldPhase | DropPhase, startUs: number): void {
    this.#phaseEndUs = phase.do === "hold" ? startUs + phase.ms * 1000 : Number.POSITIVE_INFINITY;
    for (const [place, client] of this.clients.entries()) {
      const { group, streams } = client.member;
      const load = loadOf(phase, group.name);
      if (load === 0) continue;
      if (group.writes !== undefined && streams.length > 0)
        this.#firstTurn(group.writes, { startUs, load, what: place * KINDS + DUE.write });
      if (group.pings !== undefined)
        this.#firstTurn(group.pings, { startUs, load, what: place * KINDS + DUE.ping });
    }
    const churn = phase.do === "hold" ? phase.churnPerSecond / this.#options.of : 0;
    if (churn > 0) this.#addLoad(startUs + (this.#options.random() * 1_000_000) / churn, CHURN);
  }

  /**
   * At a random time within the first interval, so that many clients do not act at the same time.
   */
  #firstTurn(
    { everyMs }: Rhythm,
    { startUs, load, what }: { startUs: number; load: number; what: number },
  ): void {
    this.#hasBegun = true;
    this.#addLoad(startUs + (this.#options.random() * everyMs * 1000) / load, what);
  }

  #addLoad(us: number, what: number): void {
    if (us < this.#phaseEndUs) this.#load.add(us, what);
  }

  #perform(what: number, { us, intendedUs }: { us: number; intendedUs: number }): void {
    const phase = this.#phase;
    if (phase === undefined || phase.do === "connect") return;
    if (what === CHURN) return this.#churn(phase, us);
    if (what === DROP) return this.#drop(phase);
    const client = this.clients[Math.floor(what / KINDS)];
    const isWrite = what % KINDS === DUE.write;
    const group = client?.member.group;
    const rhythm = isWrite ? group?.writes : group?.pings;
    if (client === undefined || group === undefined || rhythm === undefined) return;
    if (isWrite) client.write(intendedUs);
    else client.ping(intendedUs);
    const meanUs = (rhythm.everyMs * 1000) / loadOf(phase, group.name);
    // A Poisson process has gaps of this kind; 1 - random is never 0.
    this.#addLoad(
      us + (rhythm.think === "steady" ? meanUs : -Math.log(1 - this.#options.random()) * meanUs),
      what,
    );
  }

  #churn(phase: HoldPhase | DropPhase, us: number): void {
    if (phase.do !== "hold") return;
    const { random, of } = this.#options;
    // A client that waits for an answer stays: if it left, the lost answer would count as an error
    // of the server.
    const client = this.clients[Math.floor(random() * this.clients.length)];
    if (client?.isWaiting === true) return this.#addLoad(us + CHURN_RETRY_US, CHURN);
    if (client?.state === "up") client.replaceAt(us);
    this.#addLoad(us + (1_000_000 * of) / phase.churnPerSecond, CHURN);
  }

  #drop(phase: HoldPhase | DropPhase): void {
    this.#isDropDue = false;
    if (phase.do !== "drop") return;
    const { share, awayMs, of } = phase;
    const up = this.clients.filter(
      ({ state, member }) => state === "up" && (of?.includes(member.group.name) ?? true),
    );
    for (const client of chosen(up, Math.round(share * up.length), this.#options.random))
      client.drop(awayMs);
  }
}

/** `count` of them at random. */
function chosen<T>(all: readonly T[], count: number, random: () => number): T[] {
  const left = [...all];
  const taken: T[] = [];
  while (taken.length < count && left.length > 0) {
    const place = Math.floor(random() * left.length);
    const item = left[place];
    const last = left.pop();
    if (last !== undefined && place < left.length) left[place] = last;
    if (item !== undefined) taken.push(item);
  }
  return taken;
}
