// Owns: a client that lies about its position where it may not read history. It comes back with its
// resume token and must get what was published since it connected, and nothing from before.
import { jsonClientCodec, type ServerFrame } from "@holdfast/protocol";
import { LONG_TOKEN_MS, makeToken } from "./authentication.ts";
import { probeLink } from "./probe-link.ts";
import type { SimNode } from "./sim-node.ts";
import { HEARD_CHANNEL } from "./workload.ts";
import type { World } from "./world.ts";

/** Between a node's clock and the record of what the broker took. */
const SLACK_MS = 500;
/** Positions that nobody was given: in the epoch that goes on, or in another one. */
export const LIES = [
  { isKnown: true, offset: 0 },
  { isKnown: true, offset: 1_000_000 },
  { isKnown: false, offset: 0 },
] as const;

type Lie = (typeof LIES)[number];

/** One session: first on one node, then with a lie on another. */
export class EntitlementProbe {
  readonly #world: World;
  readonly #lie: Lie;
  readonly #frames: ServerFrame<unknown>[] = [];
  #close = (): void => {};
  #resume: string | undefined;
  #sinceMs = 0;

  constructor(world: World, lie: Lie) {
    this.#world = world;
    this.#lie = lie;
  }

  /** Connects anew, and is gone again at once when it has its token. */
  begin(): void {
    const node = this.#ready()[0];
    if (node === undefined) return;
    const expiresAtMs = this.#world.loop.wallMs() + LONG_TOKEN_MS;
    const token = makeToken({
      sub: `entitled ${this.#lie.isKnown} ${this.#lie.offset}`,
      expiresAtMs,
      trusted: false,
    });
    const client = dial(node, (frames) => {
      for (const frame of frames) {
        if (frame.t !== "connected") continue;
        this.#resume = frame.resume;
        this.#sinceMs = this.#world.loop.nowMs;
      }
    });
    client.message(jsonClientCodec.encode({ t: "connect", id: 1, token }));
    this.#close = () => client.closed();
  }

  resume(): void {
    this.#close();
    const life = this.#world.truth.current(HEARD_CHANNEL);
    const { resumeTtlMs } = this.#world.settings.timeouts;
    const isOver = this.#world.loop.nowMs - this.#sinceMs > resumeTtlMs - SLACK_MS;
    const node = this.#ready().at(-1);
    if (life === undefined || this.#resume === undefined || isOver || node === undefined) return;
    const { isKnown, offset } = this.#lie;
    const pos = { epoch: isKnown ? life.epoch : "unknown", offset };
    const client = dial(node, (frames) => this.#frames.push(...frames));
    client.message(
      jsonClientCodec.join([
        jsonClientCodec.encode({ t: "connect", id: 1, resume: this.#resume }),
        jsonClientCodec.encode({ t: "subscribe", id: 2, ch: HEARD_CHANNEL, pos }),
      ]),
    );
    this.#close = () => client.closed();
  }

  judge(): void {
    this.#close();
    // Turned away, or the broker was busy: there is nothing to judge.
    if (!this.#frames.some(({ t }) => t === "subscribed")) return;
    this.#judgeOld(`the probe at ${this.#lie.offset}`, this.#frames);
    this.#judgeNew(`the probe at ${this.#lie.offset}`, this.#frames);
  }

  #judgeOld(what: string, frames: readonly ServerFrame<unknown>[]): void {
    const { truth, verdict } = this.#world;
    const publications = truth.current(HEARD_CHANNEL)?.publications ?? [];
    for (const frame of frames) {
      if (frame.t !== "pub") continue;
      const takenMs = publications[frame.o - 1]?.atMs ?? 0;
      if (takenMs < this.#sinceMs - SLACK_MS)
        verdict.broken(
          "H5",
          `${what} got ${frame.o}, taken at ${takenMs}, entitled at ${this.#sinceMs}`,
        );
    }
  }

  #judgeNew(what: string, frames: readonly ServerFrame<unknown>[]): void {
    const { truth, verdict } = this.#world;
    const got = new Set(frames.flatMap((frame) => (frame.t === "pub" ? [frame.o] : [])));
    // The rest of a long way is still being read.
    const reached = frames.reduce((at, frame) => {
      if (frame.t === "pub") return Math.max(at, frame.o);
      return frame.t === "gap" ? Math.max(at, frame.pos.offset) : at;
    }, 0);
    for (const { offset, atMs } of truth.current(HEARD_CHANNEL)?.publications ?? []) {
      if (offset <= reached && atMs > this.#sinceMs + SLACK_MS && !got.has(offset))
        verdict.broken("H1", `${what} did not get ${offset}, taken after it was entitled`);
    }
  }

  #ready(): readonly SimNode[] {
    return this.#world.cluster.nodes().filter(({ engine }) => engine.state === "ready");
  }
}

function dial(node: SimNode, sent: (frames: readonly ServerFrame<unknown>[]) => void) {
  return node.dial(
    probeLink("entitled", (message) => sent(jsonClientCodec.decode(message as string))),
  );
}
