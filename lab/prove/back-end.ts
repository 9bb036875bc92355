// Owns: the application's back end of a proof: it publishes through the HTTP API. It repeats a
// failed publish with the same idempotency key.
import { createSeededRandom } from "@holdfast/testkit";
import { API_KEY } from "./fleet.ts";
import type { Published, PublishOutcome, Stamp } from "./publication.ts";
import { type ChannelSpec, LATEST_KEYS, type Workload } from "./workload.ts";

const REQUEST_TIMEOUT_MS = 3000;
const GIVE_UP_MS = 20_000;
const RETRY_MS = 100;
const RETRY_MS_MAX = 1000;

export interface BackEndOptions {
  readonly workload: Workload;
  readonly seed: number;
  /** The balancer: back ends reach nodes as clients do. */
  readonly url: string;
  /** Whether the server knows idempotency keys; without, nothing is sent again. */
  readonly repeats: boolean;
  /** What becomes of each publish, in the order of the outcomes. */
  readonly onPublished: (published: Published) => void;
}

/**
 * Publishes of one channel are sent one after the other, so that a repeated one keeps its place.
 */
export class BackEnd {
  readonly #options: BackEndOptions;
  readonly #random;
  readonly #lanes = new Map<number, Promise<void>>();
  /** Publishers of the workload have the numbers from 0 on. */
  readonly #p: number;
  #n = 0;

  constructor(options: BackEndOptions) {
    this.#options = options;
    this.#random = createSeededRandom(options.seed).fork("back end");
    this.#p = options.workload.clients.length;
  }

  /** To an ordinary channel, chosen evenly. Never rejects. */
  async publish(atMs: number): Promise<void> {
    const channel =
      this.#options.workload.channels[this.#random.int(this.#options.workload.ordinary)];
    if (channel !== undefined) await this.publishTo(channel, atMs);
  }

  publishTo(channel: ChannelSpec, atMs: number, pad?: string): Promise<void> {
    const n = ++this.#n;
    const key = channel.cls === "latest" ? `key-${this.#random.int(LATEST_KEYS)}` : undefined;
    const data: Stamp = { p: this.#p, n, at: atMs, ...(pad === undefined ? {} : { pad }) };
    const body = JSON.stringify({
      channel: channel.name,
      data,
      idempotencyKey: `${this.#p}-${n}`,
      ...(key === undefined ? {} : { key }),
    });
    const turn = (this.#lanes.get(channel.index) ?? Promise.resolve()).then(async () => {
      const outcome = await this.#send(body);
      this.#options.onPublished({
        channel: channel.index,
        p: this.#p,
        n,
        atMs,
        outcome,
        ...(key === undefined ? {} : { key }),
      });
    });
    this.#lanes.set(channel.index, turn);
    return turn;
  }

  async #send(body: string): Promise<PublishOutcome> {
    const deadlineMs = performance.now() + GIVE_UP_MS;
    let doubtful = false;
    for (let delayMs = RETRY_MS; ; delayMs = Math.min(RETRY_MS_MAX, delayMs * 2)) {
      const outcome = await this.#try(body);
      // A refusal says nothing about the attempt before it, which may have been accepted.
      if (outcome.kind === "refused" && doubtful) return { ...outcome, kind: "unknown" };
      if (
        outcome.kind !== "unknown" ||
        !this.#options.repeats ||
        performance.now() + delayMs > deadlineMs
      )
        return outcome;
      doubtful = true;
      await Bun.sleep(delayMs * (0.5 + this.#random.next() / 2));
    }
  }

  async #try(body: string): Promise<PublishOutcome> {
    try {
      const response = await fetch(`${this.#options.url}/api/v1/publish`, {
        method: "POST",
        headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
        body,
        signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      });
      const answer = (await response.json()) as { epoch?: string; offset?: number; code?: string };
      const { epoch, offset } = answer;
      if (response.ok)
        return {
          kind: "acknowledged",
          ...(epoch === undefined || offset === undefined ? {} : { position: { epoch, offset } }),
        };
      const again = response.status >= 500 || response.status === 429;
      return { kind: again ? "unknown" : "refused", code: answer.code ?? String(response.status) };
    } catch (error) {
      return { kind: "unknown", code: error instanceof Error ? error.name : "failed" };
    }
  }
}
