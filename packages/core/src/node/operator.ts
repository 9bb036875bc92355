// Owns: what operators and the HTTP API ask of a node (NodeControl), over the same parts that serve clients.
import { CODES, HISTORY_PAGE_MAX, type Payload, type Position, type Publication } from "@holdfast/protocol";
import type { ChannelRules } from "../contract/compiled.ts";
import type { BusMessage, PresenceMember } from "../ports.ts";
import type { Connection } from "./connection.ts";
import type { NodeControl, Outcome, SessionInfo } from "./control.ts";
import type { NodeParts } from "./parts.ts";
import { rulesOf } from "./permission.ts";
import { preparePublish } from "./publish-request.ts";
import { asRefused, Refused } from "./refusal.ts";
import type { Revocations } from "./revocations.ts";
import { CallSignal } from "./rpc.ts";

type Who = { readonly user?: string; readonly session?: string };

/** The part of NodeControl that concerns channels and sessions. */
export class Operator implements Omit<NodeControl, "info" | "drain" | "undrain"> {
  readonly #parts: NodeParts;
  readonly #revocations: Revocations;

  constructor(parts: NodeParts, revocations: Revocations) {
    this.#parts = parts;
    this.#revocations = revocations;
    parts.broker.bus.listen((message) => this.#obey(message));
  }

  publish(channel: string, request: Parameters<NodeControl["publish"]>[1]): ReturnType<NodeControl["publish"]> {
    const { broker, observer, clock } = this.#parts;
    const startedMs = clock.nowMs();
    return this.#onChannel(channel, async (rules) => {
      const prepared = await preparePublish(this.#parts, rules, { payload: request.payload, key: request.key, view: undefined });
      if (!prepared.ok) throw new Refused(prepared.code, prepared.message, prepared);
      const result = await broker.publish(channel, rules.stream, {
        payload: prepared.value,
        ...(request.key === undefined ? {} : { key: request.key }),
        ...(request.user === undefined ? {} : { user: request.user }),
        ...(request.idempotencyKey === undefined ? {} : { idempotencyKey: `api:${request.idempotencyKey}` }),
      });
      observer.published(rules.stream.cls, result.duplicate ? "duplicate" : "ok", clock.nowMs() - startedMs);
      return result;
    });
  }

  history(
    channel: string,
    query: { readonly limit: number; readonly before?: number },
  ): Promise<Outcome<{ epoch: string; head: number; more: boolean; publications: readonly Publication[] }>> {
    return this.#onChannel(channel, async (rules) => {
      keepsHistory(rules);
      const limit = Math.max(1, Math.min(query.limit, HISTORY_PAGE_MAX));
      const page = await this.#parts.broker.history(channel, rules.stream, { ...query, limit });
      const first = page.publications[0]?.offset ?? page.head + 1;
      const more = page.publications.length > 0 && page.oldest < first;
      return { epoch: page.epoch, head: page.head, more, publications: page.publications };
    });
  }

  removeHistory(channel: string): Promise<Outcome<Position>> {
    return this.#onChannel(channel, (rules) => {
      keepsHistory(rules);
      // The ring would serve what was removed.
      const hub = this.#parts.hubs.get(channel);
      hub?.ring.reset(hub.passed);
      return this.#parts.broker.removeHistory(channel, rules.stream);
    });
  }

  presence(channel: string): Promise<Outcome<readonly PresenceMember[]>> {
    return this.#onChannel(channel, (rules) => {
      if (!rules.presence) throw new Refused("presence_disabled", `Cannot read presence of "${channel}": the channel has none`);
      return this.#parts.broker.presence.members(channel);
    });
  }

  channels(query: Parameters<NodeControl["channels"]>[0]): Promise<Outcome<readonly string[]>> {
    return outcomeOf(() => this.#parts.broker.channels(query));
  }

  sessions({ user, after, limit }: Parameters<NodeControl["sessions"]>[0]): readonly SessionInfo[] {
    const { sessions } = this.#parts;
    const all = user === undefined ? [...sessions.sessions()].map(([, connection]) => connection) : [...sessions.ofUser(user)];
    const wanted = all.filter(({ session }) => after === undefined || session > after);
    wanted.sort((a, b) => (a.session < b.session ? -1 : 1));
    return wanted.slice(0, limit).map(sessionInfo);
  }

  disconnect(who: Who, { reconnect }: { readonly reconnect: boolean }): Promise<Outcome<void>> {
    const { settings, clock } = this.#parts;
    const from = settings().nodeId;
    const code = reconnect ? "disconnected" : "banned";
    return outcomeOf(() =>
      this.#parts.broker.bus.send({ kind: "disconnect", from, ...named(who), code, beforeMs: reconnect ? 0 : clock.wallMs() }),
    );
  }

  unsubscribe(who: Who, channel: string): Promise<Outcome<void>> {
    const from = this.#parts.settings().nodeId;
    return this.#onChannel(channel, () => this.#parts.broker.bus.send({ kind: "unsubscribe", from, ...named(who), channel }));
  }

  async rpc(method: string, input: Payload | undefined): Promise<Outcome<Payload | undefined>> {
    const rules = this.#parts.contract.rpc(method);
    if (rules === undefined) return { ok: false, code: "rpc_unknown", message: `Cannot call "${method}": the contract has no such RPC` };
    const { clock, settings, observer } = this.#parts;
    const signal = new CallSignal();
    const startedMs = clock.nowMs();
    const cancelTimer = clock.after(settings().timeouts.rpcMs, () => signal.end("rpc_timeout"));
    const outcome = await Promise.race([rules.call(input, { id: "", address: "" }, signal), signal.ended]);
    cancelTimer();
    const answer: Outcome<Payload | undefined> =
      typeof outcome === "string"
        ? { ok: false, code: "rpc_timeout", message: `Call of "${method}" ended: the handler did not answer in time` }
        : outcome;
    observer.rpc(method, answer.ok ? "ok" : answer.code, clock.nowMs() - startedMs);
    return answer;
  }

  // ---- from other nodes, and this one ----

  #obey(message: BusMessage): void {
    const { sessions } = this.#parts;
    const concerned = this.#concerned(message);
    if (message.kind === "unsubscribe") {
      for (const connection of concerned) {
        if (sessions.endSubscription(connection, message.channel)) sessions.tellUnsubscribed(connection, message.channel);
      }
      return;
    }
    if (message.beforeMs > 0) this.#revocations.add(message, message.beforeMs);
    for (const connection of concerned) sessions.end(connection, message.code);
  }

  #concerned({ user, session }: Who): readonly Connection[] {
    const { sessions } = this.#parts;
    if (session === undefined) return user === undefined ? [] : [...sessions.ofUser(user)];
    const connection = sessions.get(session);
    if (connection === undefined || (user !== undefined && connection.identity.user !== user)) return [];
    return connection.older === undefined ? [connection] : [connection, connection.older];
  }

  #onChannel<T>(channel: string, act: (rules: ChannelRules) => Promise<T>): Promise<Outcome<T>> {
    return outcomeOf(async () => act(rulesOf(this.#parts, channel)));
  }
}

function keepsHistory(rules: ChannelRules): void {
  if (rules.stream.sizeMax === 0) throw new Refused("history_disabled", `Cannot use history of "${rules.channel}": the channel keeps none`);
}

const named = ({ user, session }: Who): Who => ({ ...(user === undefined ? {} : { user }), ...(session === undefined ? {} : { session }) });

async function outcomeOf<T>(act: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await act() };
  } catch (error) {
    const { code, message, path, retryMs } = asRefused(error);
    return {
      ok: false,
      code,
      message: message || CODES[code].meaning,
      ...(path === undefined ? {} : { path }),
      ...(retryMs === undefined ? {} : { retryMs }),
    };
  }
}

function sessionInfo(connection: Connection): SessionInfo {
  const { session, identity, link, codec, client, connectedAtMs, subscriptions } = connection;
  return {
    session,
    ...(identity.user === undefined ? {} : { user: identity.user }),
    address: link.address,
    codec: codec.name,
    ...(client === undefined ? {} : { client }),
    connectedAtMs,
    channels: [...(subscriptions?.keys() ?? [])],
    queueBytes: link.bufferedBytes(),
  };
}
