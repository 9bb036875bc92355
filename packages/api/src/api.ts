// Owns: the client of the HTTP API as a back end uses it.
import type { ChannelName, PublishOf, RpcInput, RpcName, RpcOutput } from "@holdfast/contract";
import { HoldfastApiError } from "./api-error.ts";
import { Caller, type CallOptions } from "./caller.ts";
import { dataOf, membersOf } from "./data.ts";
import { type HistoryStreamOptions, historyStream } from "./history-stream.ts";
import type { Operations } from "./operations.ts";
import type {
  BroadcastResult,
  Command,
  CommandResult,
  HistoryPage,
  IngestEvent,
  IngestResult,
  Member,
  PresenceData,
  Published,
  PublishOptions,
  Received,
  StreamedPublication,
  Who,
} from "./types.ts";

/** How `HoldfastApi` calls a node. Times are in ms. */
export interface ApiOptions {
  /** From `holdfast keygen`; undefined is refused. Keep it out of browsers. */
  readonly apiKey: string | undefined;
  /** Of one attempt. Default 10,000. */
  readonly timeoutMs?: number;
  /**
   * Of all attempts of a call together. Within it a call is repeated if the node cannot be reached
   * or asks to come back, and if a repetition does no harm. Default 30,000. 0: one attempt.
   */
  readonly totalMs?: number;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
}

type Names<C> = unknown extends C ? string : ChannelName<C>;
type Methods<C> = unknown extends C ? string : RpcName<C>;
type Given<C, N extends string> = unknown extends C ? unknown : PublishOf<C, N>;
type Input<C, M extends string> = unknown extends C ? unknown : RpcInput<C, M>;
type Output<C, M extends string> = unknown extends C ? unknown : RpcOutput<C, M>;

/** A batch's commands have keys of their own, `<key>/0` and so on. */
const LONGEST_SUFFIX = "/1000".length;
const KEY_LENGTH_MAX = 128;

/**
 * The HTTP API of a node or of a cluster behind one address. `C` is the type of the application's
 * contract. Every method rejects with a HoldfastApiError. It holds no connection: there is nothing
 * to close.
 */
export class HoldfastApi<C = unknown> {
  readonly #caller: Caller;

  /** `url` is that of the node without a path, as in `https://realtime.example.com`. */
  constructor(url: string | URL, options: ApiOptions) {
    this.#caller = new Caller({
      url: checkedUrl(url),
      apiKey: checkedKey(options.apiKey),
      timeoutMs: checkedTime("timeoutMs", options.timeoutMs ?? 10_000, 1),
      totalMs: checkedTime("totalMs", options.totalMs ?? 30_000, 0),
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
    });
  }

  /**
   * Publishes to one channel. Resolves when the broker has it, with its position. Repetitions of
   * the call publish once.
   */
  async publish<N extends Names<C>>(
    channel: N,
    data: Given<C, N>,
    options: PublishOptions & CallOptions = {},
  ): Promise<Published> {
    const { key, user, idempotencyKey = newKey(), ...call } = options;
    const input = { channel, ...given({ key, user }), ...membersOf("publish", data) };
    return this.#caller.call("publish", input, { ...call, idempotencyKey });
  }

  /**
   * Publishes the same data to up to 1,000 channels. Some may fail while others succeed: look at
   * each result. They are in the order of the channels.
   */
  async broadcast<N extends Names<C>>(
    channels: readonly N[],
    data: Given<C, N>,
    options: PublishOptions & CallOptions = {},
  ): Promise<readonly BroadcastResult[]> {
    const { key, user, idempotencyKey = newKey(), ...call } = options;
    const input = { channels, ...given({ key, user }), ...membersOf("broadcast", data) };
    const { results } = await this.#caller.call("broadcast", input, { ...call, idempotencyKey });
    return results;
  }

  /**
   * Publishes up to 10,000 events to many channels. Resolves when the broker has at least one of
   * them: look at each result, or at `refused`. Repetitions of the call publish once.
   */
  ingest<N extends Names<C>>(
    events: readonly IngestEvent<N>[],
    options: { readonly idempotencyKey?: string } & CallOptions = {},
  ): Promise<IngestResult> {
    const { idempotencyKey = newKey(), ...call } = options;
    const input = events.map(({ channel, data, key, idempotencyKey: own }) => ({
      channel,
      ...given({ key, idempotencyKey: own }),
      ...membersOf("ingest", data),
    }));
    return this.#caller.call("ingest", input, { ...call, idempotencyKey });
  }

  /** The newest `limit` publications (default 50), or those before an offset; oldest first. */
  async history<N extends Names<C>>(
    channel: N,
    options: Omit<Operations["history"]["input"], "channel"> & CallOptions = {},
  ): Promise<HistoryPage<Received<C, N>>> {
    const { limit, before, ...call } = options;
    const answer = await this.#caller.call(
      "history",
      { channel, ...given({ limit, before }) },
      call,
    );
    return {
      ...answer,
      publications: answer.publications.map(({ data, b, msgpack, ...rest }) => ({
        ...rest,
        data: dataOf(given({ data, b, msgpack })) as Received<C, N>,
      })),
    };
  }

  /**
   * Everything that a channel keeps, oldest first, as fast as the loop takes it. If a connection
   * breaks or a node drains, it goes on behind the last publication. To go on in another process,
   * keep the last `id`. Leaving the loop ends the stream. It throws a HoldfastApiError.
   */
  historyStream<N extends Names<C>>(
    channel: N,
    options: HistoryStreamOptions = {},
  ): AsyncGenerator<StreamedPublication<Received<C, N>>, undefined> {
    return historyStream(this.#caller, channel, options);
  }

  /** Removes what a channel keeps. It is repeated only if the node says that it did nothing. */
  removeHistory<N extends Names<C>>(
    channel: N,
    options: CallOptions = {},
  ): Promise<Operations["history_remove"]["output"]> {
    return this.#caller.call("history_remove", { channel }, options);
  }

  /** Who is in a channel now. */
  async presence<N extends Names<C>>(
    channel: N,
    options: CallOptions = {},
  ): Promise<readonly Member<PresenceData<C, N>>[]> {
    const { members } = await this.#caller.call("presence", { channel }, options);
    return members.map(({ data, b, msgpack, ...rest }) => ({
      ...rest,
      data: dataOf(given({ data, b, msgpack })) as PresenceData<C, N>,
    }));
  }

  /** A page of the names of channels in use. `next` of one page is `after` of the next. */
  channels(
    options: Operations["channels"]["input"] & CallOptions = {},
  ): Promise<Operations["channels"]["output"]> {
    const { prefix, after, limit, ...call } = options;
    return this.#caller.call("channels", given({ prefix, after, limit }), call);
  }

  /**
   * A page of the sessions of every node, or of one user. `missing` names nodes that did not
   * answer.
   */
  sessions(
    options: Operations["sessions"]["input"] & CallOptions = {},
  ): Promise<Operations["sessions"]["output"]> {
    const { user, after, limit, ...call } = options;
    return this.#caller.call("sessions", given({ user, after, limit }), call);
  }

  /**
   * Ends the sessions of a user, or one session, on every node. With `reconnect: false` they are
   * banned: their clients stop, and their resume tokens are refused. Default: they come back.
   */
  async disconnect(
    who: Who & { readonly reconnect?: boolean },
    options: CallOptions = {},
  ): Promise<void> {
    await this.#caller.call("disconnect", who, options);
  }

  /** Ends the subscriptions of a user, or of one session, to a channel, on every node. */
  async unsubscribe(
    who: Who & { readonly channel: Names<C> },
    options: CallOptions = {},
  ): Promise<void> {
    await this.#caller.call("unsubscribe", who, options);
  }

  /**
   * Calls an RPC of the contract. The handler sees no user. It is repeated only if the node says
   * that it did nothing, or, with `retry: true`, also if nobody knows: the handler may run twice.
   */
  async rpc<M extends Methods<C>>(
    method: M,
    ...[data, options = {}]: undefined extends Input<C, M>
      ? [data?: Input<C, M>, options?: CallOptions & { readonly retry?: boolean }]
      : [data: Input<C, M>, options?: CallOptions & { readonly retry?: boolean }]
  ): Promise<Output<C, M>> {
    const { retry = false, ...call } = options;
    const input = { method, ...(data === undefined ? {} : membersOf("rpc", data)) };
    const answer = await this.#caller.call("rpc", input, { ...call, repeats: retry });
    return dataOf(answer) as Output<C, M>;
  }

  /**
   * Carries out up to 1,000 commands, one behind the other. One that fails does not stop those
   * behind it: look at each result. Repetitions of the call publish once. A batch with an `rpc` or
   * a `history_remove` is repeated only if the node says that it did nothing.
   */
  async batch(
    commands: readonly Command[],
    options: CallOptions & { readonly idempotencyKey?: string } = {},
  ): Promise<readonly CommandResult[]> {
    const { idempotencyKey = newKey(), ...call } = options;
    if (idempotencyKey.length + LONGEST_SUFFIX > KEY_LENGTH_MAX)
      throw invalid(
        `idempotencyKey of ${idempotencyKey.length} characters`,
        `at most ${KEY_LENGTH_MAX - LONGEST_SUFFIX}`,
      );
    const repeats = commands.every(({ op }) => op !== "rpc" && op !== "history_remove");
    const { results } = await this.#caller.call(
      "batch",
      { commands },
      { ...call, idempotencyKey, repeats },
    );
    return results;
  }

  /** What the node that answers is and holds. */
  info(options: CallOptions = {}): Promise<Operations["info"]["output"]> {
    return this.#caller.call("info", {}, options);
  }

  /** The nodes of the cluster. */
  async nodes(options: CallOptions = {}): Promise<Operations["nodes"]["output"]["nodes"]> {
    return (await this.#caller.call("nodes", {}, options)).nodes;
  }

  /** Starts moving every session off the node that answers. */
  drain(
    input: Operations["drain"]["input"] = {},
    options: CallOptions = {},
  ): Promise<Operations["drain"]["output"]> {
    return this.#caller.call("drain", input, options);
  }

  /** Ends a drain or a shed of the node that answers. `token`: as in `drain`. */
  undrain(
    options: CallOptions & Operations["undrain"]["input"] = {},
  ): Promise<Operations["undrain"]["output"]> {
    const { token, ...call } = options;
    return this.#caller.call("undrain", given({ token }), call);
  }

  /** Moves sessions off the node that answers, to nodes of a revision, until `keep` are left. */
  shed(
    input: Operations["shed"]["input"],
    options: CallOptions = {},
  ): Promise<Operations["shed"]["output"]> {
    return this.#caller.call("shed", input, options);
  }

  /** Orders a node, by its name, to move every session off itself. */
  async drainNode(
    input: Operations["node_drain"]["input"],
    options: CallOptions = {},
  ): Promise<void> {
    await this.#caller.call("node_drain", input, options);
  }

  /** Orders a node, by its name, to end its drain. */
  async undrainNode(
    input: Operations["node_undrain"]["input"],
    options: CallOptions = {},
  ): Promise<void> {
    await this.#caller.call("node_undrain", input, options);
  }
}

const newKey = (): string => crypto.randomUUID();

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The members that are there. */
function given<T extends object>(members: T): Present<T> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Present<T>;
}

function checkedUrl(url: string | URL): string {
  let parsed: URL;
  try {
    parsed = new URL(url);
  } catch (cause) {
    throw invalid(`url ${String(url)}`, "one as in https://realtime.example.com", cause);
  }
  if (parsed.protocol !== "http:" && parsed.protocol !== "https:")
    throw invalid(`url ${parsed.href}`, "http: or https:");
  if (parsed.username !== "" || parsed.search !== "" || parsed.hash !== "")
    throw invalid("a url with a user, a query or a fragment", "an address and at most a path");
  return `${parsed.origin}${parsed.pathname.replace(/\/+$/, "")}`;
}

function checkedKey(key: unknown): string {
  if (typeof key === "string" && /^[\x21-\x7e]+$/.test(key)) return key;
  throw invalid(
    key === undefined || key === ""
      ? "no apiKey"
      : "an apiKey with characters that a header cannot hold",
    "one that holdfast keygen made",
  );
}

function checkedTime(name: string, value: number, min: number): number {
  if (Number.isFinite(value) && value >= min && value <= 2 ** 31 - 1) return value;
  throw invalid(`${name} ${value}`, `milliseconds from ${min} to ${2 ** 31 - 1}`);
}

const invalid = (found: string, expected: string, cause?: unknown): HoldfastApiError =>
  new HoldfastApiError(
    "option_invalid",
    `Cannot use the HTTP API: found ${found}, expected ${expected}`,
    { cause },
  );
