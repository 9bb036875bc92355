// Owns: one client of a run: the real client engine in a simulated process, doing what its plan
// says and telling the oracles what it sees.
import { ClientEngine, HoldfastError, Presence, type StateChange } from "@holdfast/client/engine";
import type { SeededRandom } from "@holdfast/core";
import type { Position } from "@holdfast/protocol";
import { LONG_TOKEN_MS, makeToken } from "./authentication.ts";
import type { BrokerTruth } from "./broker-truth.ts";
import { ClientCalls } from "./client-calls.ts";
import { openTransport, watchedCodec } from "./client-wire.ts";
import { dataText, makeData } from "./data.ts";
import { drawData, drawNoData } from "./drawn-data.ts";
import type { EventLoop, SimProcess } from "./event-loop.ts";
import type { Network } from "./network.ts";
import { PresenceOracle } from "./presence-oracle.ts";
import { PublishOracle } from "./publish-oracle.ts";
import { StreamOracle } from "./stream-oracle.ts";
import type { Trace } from "./trace.ts";
import type { Verdict } from "./verdict.ts";
import { type ClientPlan, HEARD_CHANNEL, SIM_CHANNELS } from "./workload.ts";

export interface SimClientOptions {
  readonly plan: ClientPlan;
  readonly loop: EventLoop;
  readonly process: SimProcess;
  readonly network: Network;
  readonly random: SeededRandom;
  readonly truth: BrokerTruth;
  readonly verdict: Verdict;
  readonly trace: Trace;
  /** Whether the wall clock of a node was wrong at any time. */
  readonly clocksWrong: () => boolean;
  /** Every frame that comes in, for traces. */
  readonly frames: boolean;
}

const PUBLISH_TIMEOUT_MS = 90_000;
const NO_DATA_SHARE = 0.02;

/** A client from its start until it is closed. */
export class SimClient {
  readonly plan: ClientPlan;
  readonly process: SimProcess;
  readonly streams = new Map<string, StreamOracle>();
  readonly publishes: PublishOracle;
  presence: PresenceOracle | undefined;
  /** Left on purpose, or was told to stop. */
  left = false;
  /** Publishing and calling end when this is set. */
  quiet = false;
  /** Wall time until which its newest token is good. */
  tokenEndsWallMs = 0;
  /** States that the application saw after the first `connected`. */
  readonly statesSeen: string[] = [];
  /** Migrate frames seen on each connection since it began. */
  closed = false;
  /** Channels that an operator may have ended its subscription of. */
  readonly mayLose = new Set<string>();
  mayBeBanned = false;
  /** Why its connections ended, as nodes told it. */
  readonly #goodbyes: string[] = [];
  /** How often each of its subscriptions was ended for good. */
  readonly #endings = new Map<string, number>();
  /** Every session id that it ever had. */
  readonly sessions = new Set<string>();
  memberData: unknown;
  #count = 0;
  #tokenRefused = false;
  /** It got a token since it was connected last: the next session, or its claims, may be new. */
  #hasNewToken = false;
  /** When what it is allowed may have begun. */
  #entitledMs = 0;
  readonly #options: SimClientOptions;
  readonly #engine: ClientEngine;
  readonly #presence: Presence;
  readonly #calls: ClientCalls;
  /** Draws data alone. */
  readonly #data: SeededRandom;

  constructor(options: SimClientOptions) {
    this.#options = options;
    this.plan = options.plan;
    this.process = options.process;
    const { plan, process, random, truth, verdict } = options;
    this.#data = random.fork("data");
    this.publishes = new PublishOracle({ who: plan.name, truth, verdict });
    this.#engine = new ClientEngine(
      {
        url: "sim://cluster/connect",
        codec: watchedCodec(options, (name) => this.#goodbyes.push(name)),
        getToken: () => this.#token(),
        client: "simulated",
        connectTimeoutMs: 8000,
        suspendAfterMs: 20_000,
        migrates: true,
        queue: { countMax: 1000, bytesMax: 1_000_000 },
      },
      {
        clock: process.clock,
        random,
        open: (_url, subprotocol, handlers) => openTransport(options, subprotocol, handlers),
      },
      {
        state: (change) => this.#onState(change),
        error: (error) => {
          if (!(error instanceof HoldfastError))
            verdict.broken("bug", `${plan.name}: ${String(error)}`);
        },
      },
    );
    this.#calls = new ClientCalls({ ...options, engine: this.#engine, data: this.#data });
    this.#presence = this.#engine.add((host, settled) => new Presence(host, settled));
    process.at(plan.startMs, () => this.#start());
  }

  /** Whether it goes, or went, before the run is over. */
  get leaves(): boolean {
    return this.plan.leavesAtMs !== undefined || this.#tokenRefused;
  }

  get connected(): boolean {
    return this.#engine.state === "connected";
  }

  get state(): string {
    return this.#engine.state;
  }

  get session(): string | undefined {
    return this.#engine.session;
  }

  get stats(): ClientEngine["counts"]["total"] {
    return this.#engine.counts.total;
  }

  endingsOf(channel: string): number {
    return this.#endings.get(channel) ?? 0;
  }

  goodbyesOf(code: string): number {
    return this.#goodbyes.filter((name) => name === code).length;
  }

  isSubscribed(channel: string): boolean {
    const stream = this.streams.get(channel);
    return stream?.began === true && !stream.ended;
  }

  close(): void {
    if (this.left) return;
    this.left = true;
    this.quiet = true;
    this.publishes.abandon();
    this.#options.trace.add(this.plan.name, "closes");
    this.#engine.close(() => {
      this.closed = true;
    });
  }

  /** What this client still lacks; undefined when it is where it should be. */
  missing(): string | undefined {
    if (this.left) return undefined;
    if (!this.connected) return `${this.plan.name} is ${this.#engine.state}`;
    for (const stream of this.streams.values()) {
      const lacking = stream.ended ? undefined : stream.missing();
      if (lacking !== undefined) return `${this.plan.name} in ${lacking}`;
    }
    const secret = this.streams.get("secret:a");
    if (
      secret?.ended === false &&
      this.plan.tokenMs < LONG_TOKEN_MS &&
      this.#mayBeRefused("secret:a")
    ) {
      return `${this.plan.name} is subscribed to secret:a, for which it has no permission any more`;
    }
    if (this.publishes.waiting > 0)
      return `${this.plan.name} waits for ${this.publishes.waiting} publishes`;
    const { open } = this.#calls;
    return open > 0 ? `${this.plan.name} waits for ${open} calls` : undefined;
  }

  // ---- what it does ----

  #start(): void {
    const { plan, process } = this;
    for (const channel of plan.subscribe) this.#subscribe(channel);
    if (plan.watches) this.#watch();
    if (plan.member) this.#enter(1);
    for (const work of plan.publish)
      this.#every(work.everyMs, () => this.#publish(work.channel, work.bytes));
    if (plan.callsEveryMs !== undefined) this.#every(plan.callsEveryMs, () => this.#calls.echo());
    if (plan.readsEveryMs !== undefined)
      this.#every(plan.readsEveryMs, () => this.#calls.history());
    if (plan.leavesAtMs !== undefined) process.at(plan.leavesAtMs, () => this.close());
    this.#engine.start();
  }

  #every(everyMs: number, task: () => void): void {
    this.process.at(everyMs * (0.5 + this.#options.random.next()), () => {
      if (this.quiet) return;
      task();
      this.#every(everyMs, task);
    });
  }

  #subscribe(channel: string): void {
    const { truth, verdict, trace } = this.#options;
    const cls = SIM_CHANNELS.find(({ name }) => name === channel)?.cls ?? "ordered";
    const who = this.plan.name;
    const entitledMs = (): number =>
      this.#options.clocksWrong() ? Number.POSITIVE_INFINITY : this.#entitledMs;
    const heard = channel === HEARD_CHANNEL ? { entitledMs } : {};
    const oracle = new StreamOracle({ who, channel, cls, truth, verdict, ...heard });
    this.streams.set(channel, oracle);
    const forbidden = channel.startsWith("secret:") && !this.plan.trusted;
    this.#engine.subscriptions.subscribe(
      channel,
      {
        message: (message) => {
          trace.add(who, "message", `${channel} ${message.epoch} ${message.offset}`);
          if (forbidden)
            verdict.broken("H5", `${who} got ${message.offset} in ${channel} without permission`);
          oracle.message(message);
        },
        gap: (gap) => {
          trace.add(
            who,
            "gap",
            `${channel} ${gap.from}..${gap.to} ${gap.reason} on to ${gap.position.epoch} ${gap.position.offset}`,
          );
          oracle.gap(gap);
        },
        ready: (position: Position) => {
          trace.add(who, "ready", `${channel} ${position.epoch} ${position.offset}`);
          oracle.ended = false;
          oracle.ready(position);
        },
        recovered: ({ lossless }) =>
          trace.add(who, "recovered", `${channel} ${lossless ? "whole" : "with a gap"}`),
        error: (error, ended) => {
          trace.add(who, "refused", `${channel} ${error.code}`);
          // Refused for good: nothing comes until the node of another connection accepts it.
          if (!ended && error.retry !== "never") return;
          oracle.ended = true;
          this.#endings.set(channel, this.endingsOf(channel) + 1);
          const expected =
            forbidden ||
            this.left ||
            error.code === "closed" ||
            this.mayLose.has(channel) ||
            this.#mayBeRefused(channel);
          if (!expected)
            verdict.broken("progress", `${who} lost ${channel}: ${error.code} ${error.message}`);
        },
      },
      this.plan.last === undefined || channel === HEARD_CHANNEL ? {} : { last: this.plan.last },
    );
  }

  /** Its trust has ended, or is about to. */
  #mayBeRefused(channel: string): boolean {
    const { trustEndsMs } = this.plan;
    return (
      channel.startsWith("secret:") &&
      trustEndsMs !== undefined &&
      this.#options.loop.nowMs >= trustEndsMs
    );
  }

  #publish(channel: string, bytes: number): void {
    const { trace } = this.#options;
    const who = this.plan.name;
    const data = makeData(this.#data, { publisher: who, count: this.#count++, bytes });
    if (this.#data.chance(NO_DATA_SHARE)) this.#publishNoData(channel);
    const key = channel.startsWith("state:") ? `k${this.#options.random.int(4)}` : undefined;
    const publish = this.publishes.begin(channel, data);
    trace.add(who, "publishes", `${channel} ${dataText(data).slice(0, 30)}`);
    const options = {
      timeoutMs: PUBLISH_TIMEOUT_MS,
      ordered: true,
      ...(key === undefined ? {} : { key }),
    };
    this.#engine.publisher.publish(channel, data, options, (result) => {
      if (result instanceof HoldfastError) {
        trace.add(who, "not published", `${channel} ${result.code}`);
        this.publishes.failed(publish, result.code);
      } else {
        trace.add(
          who,
          "published",
          `${channel} ${result.position.epoch} ${result.position.offset}${result.duplicate ? " again" : ""}`,
        );
        this.publishes.acknowledged(publish, result.position);
      }
    });
  }

  /** Refused by the library: no node sees it. */
  #publishNoData(channel: string): void {
    const options = { timeoutMs: PUBLISH_TIMEOUT_MS, ordered: true };
    const data = drawNoData(this.#data);
    this.#engine.publisher.publish(channel, data, options, (result) => {
      const isRefused = result instanceof HoldfastError && result.code === "payload_invalid";
      if (!isRefused)
        this.#options.verdict.broken("data", `${this.plan.name} could publish what is no data`);
    });
  }

  #watch(): void {
    const { trace, verdict } = this.#options;
    const who = this.plan.name;
    const oracle = new PresenceOracle({ who, verdict });
    this.presence = oracle;
    this.#presence.watch("room:a", {
      change: (change, members) => {
        const names = (list: readonly { readonly user?: string }[]) =>
          list.map(({ user }) => user).join(",");
        trace.add(
          who,
          "presence",
          `join ${names(change.join)} update ${names(change.update)} leave ${names(change.leave)}`,
        );
        oracle.change(change, members);
      },
      ready: () => trace.add(who, "watching"),
      error: (error) => {
        if (!this.left && error.code !== "closed")
          verdict.broken("progress", `${who} cannot watch: ${error.code} ${error.message}`);
      },
    });
  }

  #enter(version: number): void {
    const { verdict, random } = this.#options;
    const of = this.#data.chance(0.3) ? { of: drawData(this.#data) } : {};
    const data = { name: this.plan.name, version, ...of };
    this.memberData = data;
    this.#presence.enter("room:a", data, (error) => {
      if (error !== undefined && !this.left)
        verdict.broken(
          "progress",
          `${this.plan.name} cannot enter: ${error.code} ${error.message}`,
        );
    });
    this.process.at(2000 + random.int(6000), () => {
      if (!this.quiet) this.#enter(version + 1);
    });
  }

  // ---- what it is made of ----

  #onState({ state, reason, error }: StateChange): void {
    const { trace, verdict } = this.#options;
    trace.add(this.plan.name, state, reason);
    this.statesSeen.push(state);
    const session = this.#engine.session;
    const isNew = session !== undefined && !this.sessions.has(session);
    if (session !== undefined) this.sessions.add(session);
    if (state === "connected" && (isNew || this.#hasNewToken)) {
      this.#entitledMs = this.#options.loop.nowMs;
      this.#hasNewToken = false;
    }
    const isExpected = this.#tokenRefused || (this.mayBeBanned && error?.code === "banned");
    if (state === "failed" && isExpected) this.#gone();
    else if (state === "failed")
      verdict.broken("progress", `${this.plan.name} failed: ${error?.code} ${error?.message}`);
  }

  /** Its token is over and there is no other: the engine has ended by itself. */
  #gone(): void {
    this.left = true;
    this.quiet = true;
    this.closed = true;
    this.publishes.abandon();
  }

  #token(): Promise<string> {
    const { loop, random } = this.#options;
    return new Promise((resolve, reject) => {
      this.process.at(random.int(60), () => {
        if (this.plan.tokenEnds && this.plan.tokenMs < LONG_TOKEN_MS && this.tokenEndsWallMs > 0) {
          this.#tokenRefused = true;
          reject(new HoldfastError("unauthorized", "there is no other token"));
          return;
        }
        const expiresAtMs = loop.wallMs() + this.plan.tokenMs;
        this.tokenEndsWallMs = expiresAtMs;
        this.#hasNewToken = true;
        resolve(
          makeToken({
            sub: this.plan.name,
            expiresAtMs,
            trusted: this.plan.trusted && !this.#mayBeRefused("secret:"),
          }),
        );
      });
    });
  }
}
