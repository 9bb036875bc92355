// Owns: the context that handlers and hooks of the application get: values in and out, what they
// may hold of the node, and how deep they may call one another.
import {
  ContextError,
  type KeptPage,
  type Outcome,
  type PayloadValues,
  type PresentMember,
  type Published,
  type RpcContext,
  type RpcSignal,
  type ServerContext,
  type ServerLog,
  type ServerPublishOptions,
  type SessionView,
} from "@holdfast/contract";
import { lengthOf, type Payload, PayloadError } from "@holdfast/protocol";
import type { Observer } from "../observer.ts";
import { HELD_REQUEST_BYTES, type HeldBytes, type Holder } from "../session/held-bytes.ts";
import { type Actions, type Cause, DEPTH_MAX } from "./actions.ts";

/** What the application's code may use beside the node. */
export interface ApplicationPorts {
  readonly log: ServerLog;
  /** What `dependencies.start` of the contract gave. */
  readonly dependencies: unknown;
}

/** What contexts need of the node. */
export interface ContextNeeds {
  readonly values: PayloadValues;
  readonly observer: Pick<Observer, "overShare">;
  readonly heldBytes: Pick<HeldBytes, "charge" | "release">;
  readonly application: ApplicationPorts;
  readonly actions: Actions;
}

/** A page of history that the application's code reads. */
const PAGE_BYTES_MAX = 1024 * 1024;
const PAGE_DEFAULT = 50;
/** What a list of members is counted as until it is there. */
const MEMBERS_BYTES = 64 * 1024;
const ROOM_RETRY_MS = 1000;
/** Of what no client caused. Parties of clients begin with `u:` or `a:`. */
const OWN_PARTY = "application";

export class Contexts {
  readonly #find: () => ContextNeeds;
  #known: ContextNeeds | undefined;

  constructor(needs: () => ContextNeeds) {
    this.#find = needs;
  }

  /** Known when the engine is whole. */
  get #needs(): ContextNeeds {
    this.#known ??= this.#find();
    return this.#known;
  }

  /** Something that the application needs is away: a request was refused for a while. */
  away(what: string, error: unknown): void {
    this.#needs.application.log.warn("what the application needs is away", { what, error });
  }

  /** For a hook. */
  of(cause: Cause): ServerContext {
    return new HookContext(this.#needs, cause);
  }

  /** For a handler. */
  ofCall(cause: Cause, call: Pick<RpcContext, "session" | "signal">): RpcContext {
    return new CallContext(this.#needs, cause, call);
  }
}

/** The members are getters that bind: handlers take contexts apart. */
class HookContext implements ServerContext {
  readonly #needs: ContextNeeds;
  /** Of what this code does. */
  readonly #cause: { readonly party?: string; readonly depth: number };

  constructor(needs: ContextNeeds, { party, depth = 0 }: Cause) {
    this.#needs = needs;
    this.#cause = { ...(party === undefined ? {} : { party }), depth: depth + 1 };
  }

  get log(): ServerLog {
    return this.#needs.application.log;
  }

  get dependencies(): unknown {
    return this.#needs.application.dependencies;
  }

  get publish(): ServerContext["publish"] {
    return (channel, data, options = {}) => this.#publish(channel, data, options);
  }

  get history(): ServerContext["history"] {
    return (channel, options = {}) => this.#history(channel, options) as Promise<KeptPage<never>>;
  }

  get presence(): ServerContext["presence"] {
    return (channel) => this.#presence(channel) as Promise<readonly PresentMember<never>[]>;
  }

  get disconnect(): ServerContext["disconnect"] {
    return ({ reconnect = true, ...who }) =>
      this.#act(HELD_REQUEST_BYTES, () => this.#needs.actions.disconnect(who, { reconnect }));
  }

  get unsubscribe(): ServerContext["unsubscribe"] {
    return ({ channel, ...who }) =>
      this.#act(HELD_REQUEST_BYTES, () => this.#needs.actions.unsubscribe(who, channel));
  }

  get rpc(): ServerContext["rpc"] {
    return async (method, data) => {
      const input = data === undefined ? undefined : this.#payload("call", data);
      const bytes = HELD_REQUEST_BYTES + (input === undefined ? 0 : lengthOf(input));
      const answer = await this.#act(bytes, () =>
        this.#needs.actions.rpc(method, input, this.#cause),
      );
      return this.#value(answer);
    };
  }

  async #publish(
    channel: string,
    data: unknown,
    options: ServerPublishOptions,
  ): Promise<Published> {
    const payload = this.#payload("publish", data);
    const { position, duplicate } = await this.#act(HELD_REQUEST_BYTES + lengthOf(payload), () =>
      this.#needs.actions.publish(channel, { ...options, payload }, this.#cause),
    );
    return { epoch: position.epoch, offset: position.offset, duplicate };
  }

  async #history(
    channel: string,
    { limit = PAGE_DEFAULT, before }: { readonly limit?: number; readonly before?: number },
  ): Promise<KeptPage> {
    const query = {
      limit,
      bytesMax: PAGE_BYTES_MAX,
      ...(before === undefined ? {} : { before }),
    };
    const page = await this.#act(PAGE_BYTES_MAX, () => this.#needs.actions.history(channel, query));
    return {
      epoch: page.epoch,
      head: page.head,
      more: page.more,
      publications: page.publications.map(({ payload, meta: _, ...rest }) => ({
        ...rest,
        data: this.#value(payload),
      })),
    };
  }

  async #presence(channel: string): Promise<readonly PresentMember[]> {
    const members = await this.#act(MEMBERS_BYTES, () => this.#needs.actions.presence(channel));
    return members.map(({ member, user, data }) => ({
      session: member,
      ...(user === undefined ? {} : { user }),
      data: this.#value(data),
    }));
  }

  /** Holds room while the node works on it. */
  async #act<T>(bytes: number, act: () => Promise<Outcome<T>>): Promise<T> {
    const { heldBytes, observer } = this.#needs;
    const { depth, party = OWN_PARTY } = this.#cause;
    if (depth > DEPTH_MAX)
      throw new ContextError(
        "request_failed",
        `Cannot act: found code that called itself ${depth} deep, expected at most ${DEPTH_MAX}`,
      );
    const holder: Holder = { party, heldBytes: 0 };
    if (!heldBytes.charge(holder, bytes)) {
      observer.overShare("held");
      throw new ContextError(
        "rate_limited",
        "Cannot act: what this user, address or the application began takes all of its room",
        { retryMs: ROOM_RETRY_MS },
      );
    }
    try {
      return taken(await act());
    } finally {
      heldBytes.release(holder, bytes);
    }
  }

  #payload(what: string, data: unknown): Payload {
    try {
      return this.#needs.values.fromValue(data, "json");
    } catch (error) {
      if (!(error instanceof PayloadError)) throw error;
      const path = error.path === undefined ? {} : { path: error.path };
      throw new ContextError("payload_invalid", `Cannot ${what}: ${error.message}`, {
        ...path,
        cause: error,
      });
    }
  }

  #value(payload: Payload | undefined): unknown {
    return payload === undefined ? undefined : this.#needs.values.toValue(payload);
  }
}

class CallContext extends HookContext implements RpcContext {
  readonly session: SessionView;
  readonly signal: RpcSignal;

  constructor(
    needs: ContextNeeds,
    cause: Cause,
    { session, signal }: Pick<RpcContext, "session" | "signal">,
  ) {
    super(needs, cause);
    this.session = session;
    this.signal = signal;
  }
}

function taken<T>(outcome: Outcome<T>): T {
  if (outcome.ok) return outcome.value;
  const { code, message, path, retryMs } = outcome;
  throw new ContextError(code, message, {
    ...(path === undefined ? {} : { path }),
    ...(retryMs === undefined ? {} : { retryMs }),
  });
}
