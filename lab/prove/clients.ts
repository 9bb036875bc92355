// Owns: the clients of one load process: each one's streams with their oracles, and what it
// experienced in the present step.
import { encodeIntoCompressedBase64, type Histogram } from "hdr-histogram-js";
import { BUCKET_MS, type Moment, newHistogram, record, type ShareOfStep } from "./figures.ts";
import { StreamOracle, sumVerdicts } from "./oracle.ts";
import { ClientTimes, pausesOf } from "./pauses.ts";
import { type Published, stampOf } from "./publication.ts";
import type { Rival, RivalClient, RivalMessage } from "./rivals/rival.ts";
import type { ChannelSpec, ClientSpec, Workload } from "./workload.ts";

export interface Stream {
  readonly channel: ChannelSpec;
  readonly oracle: StreamOracle;
}

interface Counts {
  readonly reconnects: number;
  readonly moves: number;
  readonly undeclared: number;
}

type Difference = Counts & { readonly isExtra: boolean };

/** One client of the workload, or an extra one. */
export interface LoadClient {
  readonly spec: ClientSpec;
  readonly rival: RivalClient;
  readonly streams: Stream[];
  readonly isExtra: boolean;
  readonly times: ClientTimes;
  longestMs: number;
  longestTransitMs: number;
  disconnects: number;
  before: Counts;
}

const countsOf = ({ reconnects, moves, undeclared }: RivalClient): Counts => ({
  reconnects,
  moves,
  undeclared,
});

export class Clients {
  readonly all: LoadClient[] = [];
  readonly #workload: Workload;
  readonly #rival: Rival;
  /** Publishes of earlier steps without a certain outcome, by channel: they may come late. */
  readonly #uncertain = new Set<string>();
  #stepMs = 0;
  #attempts: number[] = [];
  #refusals = 0;
  #delays: Histogram = newHistogram();
  #transits: Histogram = newHistogram();
  #flickers = new Set<string>();
  #failed: string[] = [];
  /** Of extra clients that left in this step. */
  #gone: Difference[] = [];
  #goneDisconnects = 0;
  #timeline = new Map<number, { delivered: number; delayMaxMs: number }>();
  #closing = false;

  constructor(rival: Rival, workload: Workload) {
    this.#rival = rival;
    this.#workload = workload;
  }

  /** Resolves when the client has all its subscriptions and members. */
  async add(spec: ClientSpec, url: string, isExtra = false): Promise<void> {
    const times = new ClientTimes();
    const rival = this.#rival.connect({
      url,
      user: spec.user,
      codec: spec.codec,
      onAttempt: () => {
        this.#attempts.push(Date.now() - this.#stepMs);
        times.opened(Date.now());
      },
      onRefused: () => {
        this.#refusals += 1;
      },
      onConnected: (isConnected) => {
        if (!isConnected && wasConnected && !this.#closing) client.disconnects += 1;
        wasConnected = isConnected;
      },
    });
    let wasConnected = false;
    const client: LoadClient = {
      spec,
      rival,
      streams: [],
      isExtra,
      times,
      longestMs: 0,
      longestTransitMs: 0,
      disconnects: 0,
      before: countsOf(rival),
    };
    this.all.push(client);
    await Promise.all(spec.channels.map((index) => this.#subscribe(client, index)));
    const room = (index: number | undefined) =>
      index === undefined ? undefined : this.#workload.channels[index]?.name;
    const [entered, watched] = [room(spec.enters), room(spec.watches)];
    if (entered !== undefined) await rival.enter?.(entered);
    if (watched !== undefined)
      rival.watch?.(watched, ({ left }) => {
        if (!this.#closing) for (const member of left) this.#flickers.add(`${watched} ${member}`);
      });
    client.before = countsOf(rival);
  }

  /** Extra clients say goodbye, so many a second. What they experienced is kept. */
  async removeExtras(perSecond: number): Promise<void> {
    const startMs = performance.now();
    const extras = this.all.filter(({ isExtra }) => isExtra);
    await Promise.all(
      extras.map(async (client, place) => {
        await Bun.sleep(Math.max(0, startMs + (place * 1000) / perSecond - performance.now()));
        this.#gone.push(this.#differenceOf(client));
        this.#goneDisconnects += client.disconnects;
        this.all.splice(this.all.indexOf(client), 1);
        await client.rival.close();
      }),
    );
  }

  connected(): number {
    return this.all.filter(({ rival }) => rival.connected).length;
  }

  /** A step begins: earlier measurements are forgotten; publications that were seen are not. */
  begin(stepMs: number): void {
    this.#stepMs = stepMs;
    this.#attempts = [];
    this.#refusals = 0;
    this.#delays = newHistogram();
    this.#transits = newHistogram();
    this.#flickers.clear();
    this.#failed = [];
    this.#gone = [];
    this.#goneDisconnects = 0;
    this.#timeline.clear();
    for (const client of this.all) {
      client.longestMs = 0;
      client.longestTransitMs = 0;
      client.disconnects = 0;
      client.times.begin();
      client.before = countsOf(client.rival);
    }
  }

  /** Publications that have not come yet and must. */
  missing(byChannel: ReadonlyMap<number, readonly Published[]>): number {
    return this.#streams().reduce(
      (sum, { channel, oracle }) => sum + oracle.missing(byChannel.get(channel.index) ?? []),
      0,
    );
  }

  /** Judges every stream; call it when nothing is under way. */
  share(byChannel: ReadonlyMap<number, readonly Published[]>, mayLoseData: boolean): ShareOfStep {
    const verdicts = this.#streams().map(({ channel, oracle }) =>
      oracle.judge(byChannel.get(channel.index) ?? [], { mayLoseData }, (p, n) =>
        this.#uncertain.has(`${channel.index} ${p} ${n}`),
      ),
    );
    for (const [channel, published] of byChannel)
      for (const { p, n, outcome } of published)
        if (outcome.kind === "unknown") this.#uncertain.add(`${channel} ${p} ${n}`);
    const differences = [...this.all.map((client) => this.#differenceOf(client)), ...this.#gone];
    const sum = (name: keyof Counts) => differences.reduce((total, one) => total + one[name], 0);
    const disconnects = (isExtra: boolean) =>
      this.all.reduce(
        (total, client) => total + (client.isExtra === isExtra ? client.disconnects : 0),
        0,
      );
    const pauses = pausesOf(this.all.filter(({ isExtra }) => !isExtra).map(({ times }) => times));
    return {
      verdict: sumVerdicts(verdicts),
      delays: encodeIntoCompressedBase64(this.#delays),
      transits: encodeIntoCompressedBase64(this.#transits),
      longest: this.#longest(false, "longestMs"),
      longestTransit: this.#longest(false, "longestTransitMs"),
      longestOfExtras: this.#longest(true, "longestMs"),
      pauseOfMoved: encodeIntoCompressedBase64(pauses.moved),
      pauseOfStayed: encodeIntoCompressedBase64(pauses.stayed),
      attemptsAtMs: this.#attempts,
      reconnects: sum("reconnects"),
      moves: sum("moves"),
      movesMax: Math.max(0, ...differences.map(({ moves }) => moves)),
      movedOnce: differences.filter(({ moves, isExtra }) => moves === 1 && !isExtra).length,
      refusals: this.#refusals,
      visibleDisconnects: disconnects(false),
      extraDisconnects: disconnects(true) + this.#goneDisconnects,
      undeclaredByClients: sum("undeclared"),
      flickers: [...this.#flickers],
      subscriptionsFailed: this.#failed,
      timeline: Object.fromEntries(this.#timeline) as Record<number, Moment>,
    };
  }

  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.all.map(({ rival }) => rival.close()));
  }

  #differenceOf({ rival, before, isExtra }: LoadClient): Difference {
    return {
      isExtra,
      reconnects: rival.reconnects - before.reconnects,
      moves: rival.moves - before.moves,
      undeclared: rival.undeclared - before.undeclared,
    };
  }

  #streams(): readonly Stream[] {
    return this.all.flatMap(({ streams }) => streams);
  }

  async #subscribe(client: LoadClient, index: number): Promise<void> {
    const channel = this.#workload.channels[index];
    if (channel === undefined) return;
    const oracle = new StreamOracle(channel.cls, `${channel.name} of ${client.spec.user}`);
    client.streams.push({ channel, oracle });
    const position = await client.rival.subscribe(channel.name, channel.cls, {
      message: (message) => this.#arrived(client, oracle, message),
      gap: (gap) => oracle.gap(gap),
      failed: (code) => this.#failed.push(`${channel.name} of ${client.spec.user}: ${code}`),
    });
    oracle.begin(position);
  }

  #arrived(
    client: LoadClient,
    oracle: StreamOracle,
    { data, key, position, takenMs }: RivalMessage,
  ): void {
    const stamp = stampOf(data);
    if (stamp === undefined) return;
    const { p, n, at } = stamp;
    const isFirst = oracle.message({
      p,
      n,
      ...(key === undefined ? {} : { key }),
      ...(position === undefined ? {} : { position }),
    });
    const nowMs = Date.now();
    if (at < this.#stepMs || !isFirst) return;
    const delayMs = nowMs - at;
    client.longestMs = Math.max(client.longestMs, delayMs);
    const transitMs = takenMs === undefined ? 0 : nowMs - takenMs;
    client.longestTransitMs = Math.max(client.longestTransitMs, transitMs);
    if (client.isExtra) return;
    record(this.#delays, delayMs);
    if (takenMs !== undefined) {
      record(this.#transits, transitMs);
      client.times.arrived(nowMs, transitMs);
    }
    const place = Math.floor((nowMs - this.#stepMs) / BUCKET_MS);
    const moment = this.#timeline.get(place);
    if (moment === undefined) this.#timeline.set(place, { delivered: 1, delayMaxMs: delayMs });
    else {
      moment.delivered += 1;
      moment.delayMaxMs = Math.max(moment.delayMaxMs, delayMs);
    }
  }

  #longest(isExtra: boolean, name: "longestMs" | "longestTransitMs"): string {
    const histogram = newHistogram();
    for (const client of this.all)
      if (client.isExtra === isExtra && client.streams.length > 0) record(histogram, client[name]);
    return encodeIntoCompressedBase64(histogram);
  }
}
