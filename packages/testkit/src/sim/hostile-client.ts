// Owns: a client that means harm, in a simulated process of its own: it asks for much with few
// bytes, floods, and mostly does not read. It speaks JSON by hand and obeys no rule of the protocol
// but those that get it in.
import type { SeededRandom } from "@holdfast/core";
import { SUBPROTOCOL_JSON } from "@holdfast/protocol";
import { LONG_TOKEN_MS, makeToken } from "./authentication.ts";
import type { Message, SimConnection } from "./connection.ts";
import type { EventLoop, SimProcess } from "./event-loop.ts";
import { type Ask, CHANNELS, HOARD, type HostilePlan } from "./hostile-plan.ts";
import type { Dialled, Network } from "./network.ts";
import type { Trace } from "./trace.ts";
import type { Verdict } from "./verdict.ts";

const FRAMES: Readonly<Record<Ask, number>> = {
  history: 40,
  recover: 2 * CHANNELS,
  watch: 60,
  publish: 12,
  ping: 300,
  "no data": 10,
};
/** Ids of publishes that no node may take. */
const NO_DATA_FROM = 1_000_000;
/** JSON that a node must refuse: no client of MessagePack could read the same. */
const NO_DATA: readonly string[] = [
  "9007199254740993",
  '"half \\ud83d"',
  '{"__proto__":1}',
  '{"a":1,"a":2}',
  "[1e999]",
  `${"[".repeat(129)}${"]".repeat(129)}`,
];

interface HostileOptions {
  readonly plan: HostilePlan;
  readonly loop: EventLoop;
  readonly process: SimProcess;
  readonly network: Network;
  readonly random: SeededRandom;
  readonly trace: Trace;
  readonly verdict: Verdict;
}

/** All of a run are one user, who has one share of everything. */
const USER = "hostile";
const BEGINS_MS = 2000;
const BACK_AFTER_MS = 700;
const WINDOW_BYTES = 128 * 1024;

export class HostileClient {
  readonly plan: HostilePlan;
  readonly process: SimProcess;
  readonly #options: HostileOptions;
  #dialled: Dialled | undefined;
  #isOpen = false;
  #isOver = false;
  #lastId = 1;

  constructor(options: HostileOptions) {
    this.plan = options.plan;
    this.process = options.process;
    this.#options = options;
    this.process.at(BEGINS_MS, () => this.#dial());
  }

  close(): void {
    this.#isOver = true;
    this.#dialled?.close(1000, "");
  }

  /** Its connections as the network knows them. */
  connections(): readonly SimConnection[] {
    return [...this.#options.network.connections].filter(
      ({ client }) => client.process === this.process,
    );
  }

  #dial(): void {
    if (this.#isOver) return;
    const { network, loop, trace } = this.#options;
    const { name } = this.plan;
    trace.add(name, "dials");
    const dialled: Dialled = network.dial(this.process, SUBPROTOCOL_JSON, {
      opened: () => {
        this.#isOpen = true;
        const expiresAtMs = loop.wallMs() + LONG_TOKEN_MS;
        const token = makeToken({ sub: USER, expiresAtMs, trusted: false });
        dialled.send(JSON.stringify({ t: "connect", id: 1, token }));
        if (this.plan.deafMs > 0) this.process.at(BACK_AFTER_MS, () => this.#stopReading());
        this.#go(dialled);
      },
      message: (message) => this.#read(message),
      closed: (code, reason) => {
        trace.add(name, "hung up", `${code} ${reason}`);
        this.#isOpen = false;
        this.process.at(BACK_AFTER_MS, () => this.#dial());
      },
    });
    this.#dialled = dialled;
  }

  #stopReading(): void {
    if (!this.#isOpen || this.#isOver) return;
    for (const connection of this.connections())
      if (!connection.ended) connection.stall(connection.server, this.plan.deafMs);
    this.process.at(this.plan.deafMs + BACK_AFTER_MS, () => this.#stopReading());
  }

  #go(dialled: Dialled): void {
    this.process.at(this.plan.everyMs, () => {
      if (dialled !== this.#dialled || !this.#isOpen || this.#isOver) return;
      if (!this.#isStuck()) dialled.send(this.#message());
      this.#go(dialled);
    });
  }

  /** The node does not read, and the network holds no more. */
  #isStuck(): boolean {
    return this.connections().some(({ server }) => server.unreadBytes > WINDOW_BYTES);
  }

  #message(): string {
    const ask = this.#options.random.pick(this.plan.asks);
    const frames = Array.from({ length: FRAMES[ask] }, (_, place) => this.#frame(ask, place));
    return frames.join("\n");
  }

  #frame(ask: Ask, place: number): string {
    const id = ++this.#lastId;
    const ch = this.plan.channels[place % this.plan.channels.length] as string;
    switch (ask) {
      case "history":
        return JSON.stringify({ t: "history", id, ch, limit: 1000, junk: { a: [1, { b: "x" }] } });
      case "recover":
        return JSON.stringify(
          place < CHANNELS
            ? { t: "unsubscribe", id, ch }
            : { t: "subscribe", id, ch, pos: { epoch: "none", offset: 0 } },
        );
      case "watch":
        return JSON.stringify({ t: "watch", id, ch: "room:a" });
      case "publish":
        return JSON.stringify({ t: "publish", id, ch, d: hoarded(this.plan.name, id) });
      case "ping":
        return JSON.stringify({ t: "ping", id });
      case "no data":
        return `{"t":"publish","id":${id + NO_DATA_FROM},"ch":"${ch}","d":${NO_DATA[place % NO_DATA.length]}}`;
    }
  }

  #read(message: Message): void {
    for (const line of String(message).split("\n")) {
      const { t, id } = JSON.parse(line);
      if (t === "published" && id > NO_DATA_FROM)
        this.#options.verdict.broken("data", `${this.plan.name} published what is no data`);
    }
  }
}

/** Data number `count` of a hostile client. */
export const hoarded = (name: string, count: number): unknown => ({
  hoard: `${name} ${count} ${"#".repeat(HOARD.bytes)}`,
});
