// Owns: what operators and the HTTP API ask of a node (NodeControl), over the same parts that serve
// clients.

import type { ChannelRules, Contract, Outcome, SessionView } from "@holdfast/contract";
import {
  CODES,
  type CodeName,
  HISTORY_PAGE_MAX,
  type Payload,
  type Position,
} from "@holdfast/protocol";
import {
  type Actions,
  BY_BACK_END,
  type Cause,
  type ServerPublish,
} from "../application/actions.ts";
import type { Contexts } from "../application/contexts.ts";
import type { BusRoutes } from "../bus-routes.ts";
import { withoutRemoved } from "../channel/history-request.ts";
import type { Hubs } from "../channel/hubs.ts";
import type { FleetMember } from "../fleet/fleet-member.ts";
import type { Observer } from "../observer.ts";
import type {
  Broker,
  Clock,
  HistoryQuery,
  PresenceMember,
  PublishResult,
  Random,
} from "../ports.ts";
import { allMembers } from "../presence/all-members.ts";
import { CallSignal } from "../session/call-signal.ts";
import type { Connection } from "../session/connection.ts";
import { rulesOf } from "../session/permission.ts";
import { asRefused, Refused } from "../session/refusal.ts";
import { CLOCK_SKEW_MS, type Revocations } from "../session/revocations.ts";
import type { Sessions } from "../session/sessions.ts";
import { COMMANDS_CHANNEL, CommandLog, type Told } from "./command-log.ts";
import type {
  ChannelPage,
  HistoryReader,
  NodeControl,
  OrderOptions,
  SessionInfo,
  SessionsQuestion,
} from "./control.ts";
import type { SentOrder } from "./order-messages.ts";
import type { Orders } from "./orders.ts";
import { type QuestionMessage, type QuestionNeeds, Questions } from "./questions.ts";
import { publishForServer, type ServerPublishNeeds } from "./server-publish.ts";

type Who = { readonly user?: string; readonly session?: string };

/** A ban carries `beforeMs`: resume tokens issued earlier are refused. */
type Command =
  | {
      readonly kind: "disconnect";
      readonly user?: string;
      readonly session?: string;
      readonly code: CodeName;
      readonly beforeMs?: number;
    }
  | {
      readonly kind: "unsubscribe";
      readonly user?: string;
      readonly session?: string;
      readonly channel: string;
    };

/** What commands need of the node. */
export interface CommandNeeds extends ServerPublishNeeds, QuestionNeeds {
  readonly random: Random;
  readonly clock: Clock;
  readonly broker: Broker;
  readonly contract: Contract;
  readonly observer: Pick<Observer, "published" | "rpc" | "bug">;
  readonly sessions: Sessions;
  readonly hubs: Pick<Hubs, "get" | "acquire" | "release">;
  readonly contexts: Contexts;
}

/** What an operator's command may reach of the node. */
export interface OperatorNode {
  readonly revocations: Pick<Revocations, "add">;
  readonly fleet: Pick<FleetMember, "nodes" | "others">;
  readonly orders: Pick<Orders, "give">;
  readonly bus: Pick<BusRoutes, "hear">;
}

/** Whom a handler sees if no session calls. */
const NOBODY: SessionView = { id: "", address: "" };
/** Channel names told of one session. */
const CHANNELS_TOLD_MAX = 100;

/** The part of NodeControl that concerns channels, sessions and other nodes. */
export class Operator
  implements Omit<NodeControl, "info" | "nodes" | "drain" | "undrain" | "obey">, Actions
{
  readonly #parts: CommandNeeds;
  readonly #node: OperatorNode;
  readonly #questions: Questions;
  readonly #log: CommandLog<Command>;

  constructor(parts: CommandNeeds, node: OperatorNode) {
    this.#parts = parts;
    this.#node = node;
    this.#questions = new Questions(parts, (query) => this.sessions(query));
    node.bus.hear<QuestionMessage>(["ask", "answer"], (asked) => this.#questions.heard(asked));
    this.#log = new CommandLog<Command>(
      {
        ...parts,
        keptMs: () => parts.settings().timeouts.resumeTtlMs + 2 * CLOCK_SKEW_MS,
      },
      (told) => this.#obey(told),
    );
  }

  publish(
    channel: string,
    request: ServerPublish,
    cause: Cause = BY_BACK_END,
  ): Promise<Outcome<PublishResult>> {
    return this.#onChannel(channel, (rules) =>
      publishForServer(this.#parts, rules, { request, cause }),
    );
  }

  history(channel: string, query: HistoryQuery): Promise<Outcome<ChannelPage>> {
    return this.#onChannel(channel, async (rules) => {
      keepsHistory(rules);
      const limit = Math.max(1, Math.min(query.limit, HISTORY_PAGE_MAX));
      const page = await this.#parts.broker.history(channel, rules.stream, { ...query, limit });
      const left = withoutRemoved(page, this.#parts.hubs.get(channel));
      return { ...left, deliveryClass: rules.stream.cls };
    });
  }

  openHistory(channel: string): Promise<Outcome<HistoryReader>> {
    return this.#onChannel(channel, async (rules) => {
      keepsHistory(rules);
      const { hubs } = this.#parts;
      const hub = hubs.acquire(rules);
      // Hubs forgets a hub that does not open, and with it who holds it.
      await hub.opened;
      let isOpen = true;
      return {
        read: (query) => this.history(channel, query),
        removedTo: (epoch) => hub.removedTo(epoch),
        close() {
          if (isOpen) hubs.release(hub);
          isOpen = false;
        },
      };
    });
  }

  removeHistory(channel: string): Promise<Outcome<Position>> {
    return this.#onChannel(channel, async (rules) => {
      keepsHistory(rules);
      const { hubs, broker } = this.#parts;
      // From now on this node serves nothing of what was removed. Every hub hears of the removal in
      // stream order.
      const hub = hubs.get(channel);
      hub?.ring.reset(hub.passed);
      const position = await broker.removeHistory(channel, rules.stream);
      // This node's own hub may hear of it behind the answer.
      hubs.get(channel)?.forget(position.offset, position.epoch);
      return position;
    });
  }

  presence(channel: string): Promise<Outcome<readonly PresenceMember[]>> {
    return this.#onChannel(channel, async (rules) => {
      if (!rules.presence)
        throw new Refused(
          "presence_disabled",
          `Cannot read presence of "${channel}": the channel has none`,
        );
      return [...(await allMembers(this.#parts.broker.presence, channel)).values()];
    });
  }

  channels(query: Parameters<NodeControl["channels"]>[0]): Promise<Outcome<readonly string[]>> {
    // The log of commands is not a channel of the application.
    const after = query.after ?? COMMANDS_CHANNEL;
    return outcomeOf(() => this.#parts.broker.channels({ ...query, after }));
  }

  sessions({ user, after, limit }: Parameters<NodeControl["sessions"]>[0]): readonly SessionInfo[] {
    const { sessions } = this.#parts;
    const all =
      user === undefined
        ? [...sessions.sessions()].map(([, connection]) => connection)
        : [...sessions.ofUser(user)];
    const wanted = all.filter(({ session }) => after === undefined || session > after);
    wanted.sort((a, b) => (a.session < b.session ? -1 : 1));
    const { nodeId } = this.#parts.settings();
    return wanted.slice(0, limit).map((connection) => sessionInfo(connection, nodeId));
  }

  /** Carries out commands that were given before the node started, and those that come. */
  start(): Promise<void> {
    return this.#log.start();
  }

  stop(): void {
    this.#log.stop();
  }

  disconnect(who: Who, { reconnect }: { readonly reconnect: boolean }): Promise<Outcome<void>> {
    const how = reconnect
      ? ({ code: "disconnected" } as const)
      : ({ code: "banned", beforeMs: this.#parts.clock.wallMs() } as const);
    return outcomeOf(() => this.#log.append({ kind: "disconnect", ...named(who), ...how }));
  }

  unsubscribe(who: Who, channel: string): Promise<Outcome<void>> {
    return this.#onChannel(channel, () =>
      this.#log.append({ kind: "unsubscribe", ...named(who), channel }),
    );
  }

  async rpc(
    method: string,
    input: Payload | undefined,
    cause: Cause = BY_BACK_END,
  ): Promise<Outcome<Payload | undefined>> {
    const rules = this.#parts.contract.rpc(method);
    if (rules === undefined)
      return {
        ok: false,
        code: "rpc_unknown",
        message: `Cannot call "${method}": the contract has no such RPC`,
      };
    const { clock, settings, observer, contexts } = this.#parts;
    const signal = new CallSignal();
    const startedMs = clock.nowMs();
    const cancelTimer = clock.after(settings().timeouts.rpcMs, () => signal.end("rpc_timeout"));
    const outcome = await Promise.race([
      rules.call(input, contexts.ofCall(cause, { session: NOBODY, signal })),
      signal.ended,
    ]);
    cancelTimer();
    const answer: Outcome<Payload | undefined> =
      typeof outcome === "string"
        ? {
            ok: false,
            code: "rpc_timeout",
            message: `Call of "${method}" ended: the handler did not answer in time`,
          }
        : outcome;
    observer.rpc(method, answer.ok ? "ok" : answer.code, clock.nowMs() - startedMs);
    return answer;
  }

  sessionsEverywhere(query: SessionsQuestion): ReturnType<NodeControl["sessionsEverywhere"]> {
    const others = this.#node.fleet.others().map(({ node }) => node);
    return this.#questions.sessions(query, others);
  }

  order(node: string, order: SentOrder, options: OrderOptions = {}): Promise<Outcome<void>> {
    if (this.#node.fleet.nodes().some((known) => known.node === node))
      return this.#node.orders.give(node, order, options);
    return Promise.resolve({
      ok: false,
      code: "request_invalid",
      message: `Cannot ${order} "${node}": no such node is known`,
      path: "node",
    });
  }

  // ---- from every node ----

  /**
   * A command that comes late ends what existed when it was given. It does not end what a client
   * began since. Clocks of nodes may differ.
   */
  #obey({ command: message, timeMs, isLate }: Told<Command>): void {
    const { sessions } = this.#parts;
    const concerned = this.#concerned(message).filter(
      ({ connectedAtMs }) => !isLate || connectedAtMs <= timeMs + CLOCK_SKEW_MS,
    );
    if (message.kind === "unsubscribe") {
      for (const connection of concerned) {
        if (sessions.endSubscription(connection, message.channel))
          sessions.tellUnsubscribed(connection, message.channel);
      }
      return;
    }
    // A node of an earlier version says 0 if it is no ban.
    if (message.beforeMs) this.#node.revocations.add(message, message.beforeMs);
    for (const connection of concerned) sessions.end(connection, message.code);
  }

  #concerned({ user, session }: Who): readonly Connection[] {
    const { sessions } = this.#parts;
    if (session === undefined) return user === undefined ? [] : [...sessions.ofUser(user)];
    const connection = sessions.get(session);
    if (connection === undefined || (user !== undefined && connection.identity.user !== user))
      return [];
    return connection.older === undefined ? [connection] : [connection, connection.older];
  }

  #onChannel<T>(channel: string, act: (rules: ChannelRules) => Promise<T>): Promise<Outcome<T>> {
    return outcomeOf(async () => act(rulesOf(this.#parts, channel)));
  }
}

function keepsHistory(rules: ChannelRules): void {
  if (rules.stream.sizeMax === 0)
    throw new Refused(
      "history_disabled",
      `Cannot use history of "${rules.channel}": the channel keeps none`,
    );
}

const named = ({ user, session }: Who): Who => ({
  ...(user === undefined ? {} : { user }),
  ...(session === undefined ? {} : { session }),
});

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

function firstOf(names: Iterable<string>, countMax: number): readonly string[] {
  const first: string[] = [];
  for (const name of names) if (first.push(name) === countMax) break;
  return first;
}

function sessionInfo(connection: Connection, node: string): SessionInfo {
  const { session, identity, link, codec, client, connectedAtMs, subscriptions } = connection;
  return {
    session,
    node,
    ...(identity.user === undefined ? {} : { user: identity.user }),
    address: link.address,
    codec: codec.name,
    ...(client === undefined ? {} : { client }),
    connectedAtMs,
    channelCount: subscriptions?.size ?? 0,
    channels: firstOf(subscriptions?.keys() ?? [], CHANNELS_TOLD_MAX),
    queueBytes: link.bufferedBytes(),
  };
}
