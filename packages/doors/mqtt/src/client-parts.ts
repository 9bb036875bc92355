// Owns: the parts of one client, put together for the version and the limits of its CONNECT.
import type { Connection, Item } from "@holdfast/core";
import type { CodeName } from "@holdfast/protocol";
import type { ConnectPacket, Qos } from "./decode.ts";
import { Delivering } from "./delivering.ts";
import type { DoorParts } from "./door-parts.ts";
import { encodeSuback } from "./encode.ts";
import { Publishing } from "./publishing.ts";
import { REASON } from "./reason.ts";
import { Retained } from "./retained.ts";
import { Subscribing } from "./subscribing.ts";

export interface ClientParts {
  readonly publishing: Publishing;
  readonly subscribing: Subscribing;
  readonly delivering: Delivering;
  readonly retained: Retained;
}

/** What the parts ask of their client. */
export interface ClientHooks {
  readonly connection: Connection;
  nextId(): number;
  /** Packets that were not read yet may be. */
  goOn(): void;
  subscribe(channel: string, isNew: boolean): void;
  /** Asks the engine for the state of a channel of retained messages. */
  readRetained(channel: string): void;
  /** Ends the connection with a reason of MQTT. */
  end(code: CodeName, reason: number, text: string): void;
  answer(bytes: Uint8Array): void;
  sessionId(): string;
  durably(then: () => void): void;
  changed(): void;
  lost(channel: string, code: CodeName): void;
  ask(item: Item, length: number): void;
}

export function createClientParts(
  door: DoorParts,
  { version, properties }: ConnectPacket,
  hooks: ClientHooks,
): ClientParts {
  const { engine, clock, random, topics, messages, discovery, settings, observer } = door;
  const { inFlightMax, receiveMax, topicAliasMax, filtersMax, channelsMax } = settings();
  const { connection, nextId, answer } = hooks;
  const publishing = new Publishing({
    version,
    topics,
    isLatest: (channel) => door.isLatest(channel),
    receiveMax,
    aliasMax: topicAliasMax,
    random,
    nowMs: () => clock.nowMs(),
    after: (delayMs, task) => clock.after(delayMs, task),
    answer,
    nextId,
    ask(item, length) {
      if (!discovery.isIdle) discovery.noted(item.ch);
      hooks.ask(item, length);
    },
    goOn: () => hooks.goOn(),
    giveUp: () => hooks.end("broker_lost", REASON.serverBusy, "the broker is away"),
    refused: (code) => observer.refused(code),
    sessionId: () => hooks.sessionId(),
    durably: (then) => hooks.durably(then),
    changed: () => hooks.changed(),
  });
  const subscribing = new Subscribing({
    topics,
    discovery,
    filtersMax,
    channelsMax,
    subscribe: (channel, isNew) => hooks.subscribe(channel, isNew),
    lost: (channel, code) => hooks.lost(channel, code),
    unsubscribe(ch) {
      delivering.forget(ch);
      hooks.ask({ t: "unsubscribe", id: nextId(), ch }, 16);
    },
    suback: (pid, reasons) =>
      hooks.durably(() => answer(encodeSuback("suback", { version, pid, reasons }))),
    readRetained: (filter) => retained.read(filter),
    shares: door.shares,
    maySubscribe: (channel) => door.maySubscribe(connection, channel),
    hasRoom: () => delivering.hasRoom,
    deliverShared({ qos, subscriptionId, retainAsPublished }, [message, origin, done]) {
      const wanted = {
        qos: Math.min(qos, message.qos) as Qos,
        retain: retainAsPublished && message.retain,
        subscriptionIds: subscriptionId === undefined ? [] : [subscriptionId],
      };
      // Not the channel itself: how far the session got there is another matter.
      const ch = `$share:${origin.channel}`;
      const { offset: o, epoch } = origin;
      const bytes = delivering.deliver({ ch, o }, { message, wanted, epoch, done });
      if (bytes.length > 0) connection.enqueue(bytes);
    },
    overflown(filter) {
      const text = `filter ${filter.slice(0, 64)} reaches more than ${channelsMax} channels`;
      hooks.end("flooded", REASON.quotaExceeded, text);
    },
  });
  const delivering = new Delivering({
    version,
    messages,
    filters: subscribing.filters,
    window: Math.min(inFlightMax, properties.receiveMax ?? inFlightMax),
    aliasMax: Math.min(properties.aliasMax ?? 0, topicAliasMax),
    packetBytesMax: properties.packetBytesMax ?? Number.POSITIVE_INFINITY,
    wallMs: () => clock.wallMs(),
    session: () => connection.session,
    isLatest: (channel) => door.isLatest(channel),
    durably: (then) => hooks.durably(then),
    changed: () => hooks.changed(),
    push: (bytes) => connection.enqueue(bytes),
    hasRoom: () => engine.writable(connection),
    settled: () => subscribing.hasRoom(),
  });
  const retained = new Retained({
    topics,
    discovery,
    messages,
    delivering,
    subscribe: (channel) => hooks.readRetained(channel),
    unsubscribe: (channel) => hooks.ask({ t: "unsubscribe", id: nextId(), ch: channel }, 16),
    isWatched: (channel) => subscribing.filters.watched.has(channel),
    wallMs: () => clock.wallMs(),
  });
  return { publishing, subscribing, delivering, retained };
}
