// Owns: wills: what is published for a client that ended without a word, at once or after a delay
// in which it may come back, on whatever node.
import { BrokerError, type Clock, type Random, type StateStore } from "@holdfast/core";
import type { Payload } from "@holdfast/protocol";
import { textOf } from "@holdfast/protocol/node";
import { utf8 } from "./bytes.ts";

/** What is published, as the engine has it. */
export interface WillMessage {
  readonly channel: string;
  readonly key: string | undefined;
  readonly payload: Payload;
  readonly meta: Uint8Array;
  readonly user: string | undefined;
}

/** A will that waits: it is void as soon as somebody takes the session. */
interface Waiting {
  readonly messages: readonly WillMessage[];
  readonly session: string;
  readonly fence: number;
  readonly id: string;
}

/** What wills need of the node. */
export interface WillsNeeds {
  readonly states: StateStore;
  readonly clock: Clock;
  readonly random: Random;
  /** Publishes for a client that is gone. Its permission was asked when it connected. */
  publish(message: WillMessage, idempotencyKey: string): Promise<void>;
  bug(error: unknown): void;
}

const PREFIX = "mqtt-will/";
/** How often a node looks for wills that are due. */
const LOOK_MS = 2000;
const LEASE_MS = 30_000;
/** A will that nobody could publish is kept so long after it was due. */
const KEEP_MS = 3_600_000;
const PAGE = 1000;
const DUE_DIGITS = 10;

export class Wills {
  readonly #needs: WillsNeeds;
  #isOver = false;
  #cancel: () => void = () => {};

  constructor(needs: WillsNeeds) {
    this.#needs = needs;
  }

  start(): void {
    this.#cancel = this.#needs.clock.after(LOOK_MS, () => {
      void this.#look().finally(() => {
        if (!this.#isOver) this.start();
      });
    });
  }

  stop(): void {
    this.#isOver = true;
    this.#cancel();
  }

  now(messages: readonly WillMessage[]): void {
    const id = this.#needs.random.id();
    void this.#publish(messages, id).catch((error: unknown) => this.#failed(error));
  }

  /**
   * After `delayMs`, by the clock of the node that looks, unless the session is taken before. It is
   * kept in the broker: a node that ends meanwhile is not missed.
   */
  later(
    messages: readonly WillMessage[],
    delayMs: number,
    { key: session, fence }: { readonly key: string; readonly fence: number },
  ): void {
    const { states, clock, random } = this.#needs;
    const id = random.id();
    const dueS = Math.ceil((clock.wallMs() + delayMs) / 1000);
    const key = `${PREFIX}${String(dueS).padStart(DUE_DIGITS, "0")}/${id}`;
    const owner = `will/${id}`;
    const write = async (): Promise<void> => {
      const hold = await states.take(key, { owner, leaseMs: LEASE_MS });
      if (hold === undefined) return;
      const value = writeWaiting({ messages, session, fence, id });
      await states.write(key, hold, value, { leaseMs: 0, keepMs: delayMs + KEEP_MS });
    };
    void write().catch((error: unknown) => this.#failed(error));
  }

  async #look(): Promise<void> {
    const nowS = this.#needs.clock.wallMs() / 1000;
    try {
      for (let after: string | undefined; ; ) {
        const page: readonly string[] = await this.#needs.states.list({
          prefix: PREFIX,
          limit: PAGE,
          ...(after === undefined ? {} : { after }),
        });
        for (const key of page)
          if (Number(key.slice(PREFIX.length, PREFIX.length + DUE_DIGITS)) <= nowS)
            await this.#carryOut(key);
        if (page.length < PAGE) return;
        after = page.at(-1);
      }
    } catch (error) {
      this.#failed(error);
    }
  }

  /** One node does it. If it dies on the way another one does it again, with the same key. */
  async #carryOut(key: string): Promise<void> {
    const { states, random } = this.#needs;
    const owner = `will/${random.id()}`;
    const hold = await states.take(key, { owner, leaseMs: LEASE_MS, ifFree: true });
    if (hold === undefined) return;
    const waiting = hold.value === undefined ? undefined : readWaiting(hold.value);
    if (waiting !== undefined) {
      const session = await states.read(waiting.session);
      const isBack = session !== undefined && session.fence !== waiting.fence;
      if (!isBack) await this.#publish(waiting.messages, waiting.id);
    }
    await states.write(key, hold, undefined, { leaseMs: 0, keepMs: 0 });
  }

  async #publish(messages: readonly WillMessage[], id: string): Promise<void> {
    for (const [at, message] of messages.entries())
      await this.#needs.publish(message, `will:${id}:${at}`);
  }

  #failed(error: unknown): void {
    if (!(error instanceof BrokerError)) this.#needs.bug(error);
  }
}

function writeWaiting({ messages, session, fence, id }: Waiting): Uint8Array {
  const rows = messages.map(({ channel, key, payload, meta, user }) => [
    channel,
    key ?? null,
    payload.kind,
    payload.kind === "json" ? payload.text : [...payload.bytes],
    [...meta],
    user ?? null,
  ]);
  return utf8(JSON.stringify([rows, session, fence, id]));
}

function readWaiting(bytes: Uint8Array): Waiting | undefined {
  try {
    const [rows, session, fence, id] = JSON.parse(textOf(bytes, 0, bytes.length)) as [
      [string, string | null, Payload["kind"], string | number[], number[], string | null][],
      string,
      number,
      string,
    ];
    const messages = rows.map(([channel, key, kind, data, meta, user]) => ({
      channel,
      key: key ?? undefined,
      payload:
        kind === "json"
          ? { kind, text: data as string }
          : { kind, bytes: Uint8Array.from(data as number[]) },
      meta: Uint8Array.from(meta),
      user: user ?? undefined,
    }));
    return { messages, session, fence, id };
  } catch {
    return undefined;
  }
}
