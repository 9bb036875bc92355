// Owns: a session's topic filters, the channels that they look into, and what a message of a
// channel means for them.
import type { FilterRequest, Qos } from "./decode.ts";
import type { Message } from "./message.ts";
import { hasWildcard, matchesTopic } from "./topic-names.ts";

/** One subscription of a client. */
export interface Filter extends FilterRequest {
  readonly subscriptionId: number | undefined;
  /** The channels that it looks into. */
  readonly channels: Set<string>;
}

/** A channel that some filter looks into. */
export interface Watched {
  readonly name: string;
  /** Filters that name one topic, by it, and the others. */
  readonly exact: Map<string, Filter>;
  readonly wild: Set<Filter>;
  /**
   * - `asking`: the engine was asked to subscribe.
   * - `on`: it has.
   * - `off`: it refused.
   */
  state: "asking" | "on" | "off";
  epoch: string;
  /** Of a `latest` channel: what has no higher offset was there when it was subscribed to. */
  stateUntil: number;
}

/** How a message goes to the client; undefined: no filter wants it. */
export interface Wanted {
  readonly qos: Qos;
  readonly retain: boolean;
  readonly subscriptionIds: readonly number[];
}

const NO_IDS: readonly number[] = [];

export class Filters {
  readonly all = new Map<string, Filter>();
  readonly watched = new Map<string, Watched>();

  /** The channel, made if it is new. */
  watch(filter: Filter, channel: string): { readonly watched: Watched; readonly isNew: boolean } {
    const known = this.watched.get(channel);
    const watched = known ?? {
      name: channel,
      exact: new Map<string, Filter>(),
      wild: new Set<Filter>(),
      state: "asking" as const,
      epoch: "",
      stateUntil: 0,
    };
    if (known === undefined) this.watched.set(channel, watched);
    filter.channels.add(channel);
    if (hasWildcard(filter.filter)) watched.wild.add(filter);
    else watched.exact.set(filter.filter, filter);
    return { watched, isNew: known === undefined };
  }

  /** Ends a subscription. The channels that no other filter looks into are told. */
  remove(text: string): readonly string[] | undefined {
    const filter = this.all.get(text);
    if (filter === undefined) return undefined;
    this.all.delete(text);
    const free: string[] = [];
    for (const channel of filter.channels) {
      const watched = this.watched.get(channel);
      if (watched === undefined) continue;
      watched.wild.delete(filter);
      if (watched.exact.get(text) === filter) watched.exact.delete(text);
      if (watched.wild.size > 0 || watched.exact.size > 0) continue;
      this.watched.delete(channel);
      free.push(channel);
    }
    return free;
  }
}

/**
 * One copy for all filters that match, of the highest QoS that one of them asks for, with the
 * subscription identifiers of all [MQTT-3.3.4-2, MQTT-3.3.4-4]. `isState`: it was kept by a
 * `latest` channel before the subscription began, so it is a retained message.
 */
export function wantedBy(
  { exact, wild }: Watched,
  message: Message,
  { session, isState }: { readonly session: string; readonly isState: boolean },
): Wanted | undefined {
  const only = wild.size === 0 ? exact.get(message.topic) : undefined;
  if (only !== undefined && !isState && only.subscriptionId === undefined && !only.noLocal)
    return {
      qos: only.qos < message.qos ? only.qos : message.qos,
      retain: only.retainAsPublished && message.retain,
      subscriptionIds: NO_IDS,
    };
  let qos = -1;
  let retain = false;
  let ids: number[] | undefined;
  const look = (filter: Filter): void => {
    if (filter.noLocal && message.session === session) return;
    if (isState && filter.retainHandling === 2) return;
    qos = Math.max(qos, Math.min(filter.qos, message.qos));
    retain ||= isState || (filter.retainAsPublished && message.retain);
    if (filter.subscriptionId !== undefined) {
      ids ??= [];
      ids.push(filter.subscriptionId);
    }
  };
  const one = exact.get(message.topic);
  if (one !== undefined) look(one);
  for (const filter of wild) if (matchesTopic(filter.filter, message.topic)) look(filter);
  // In the state of a channel an empty message says that nothing is retained any more.
  if (qos < 0 || (isState && message.payload.length === 0)) return undefined;
  return { qos: qos as Qos, retain, subscriptionIds: ids ?? NO_IDS };
}
