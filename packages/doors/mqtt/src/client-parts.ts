// Owns: the parts of one client, put together for the version and the limits of its CONNECT. One
// object with methods answers all their needs: closures for each would take kilobytes.
import type { Connection, DoorPublish, Item } from "@holdfast/core";
import type { CodeName } from "@holdfast/protocol";
import type { ConnectPacket, Qos, Version } from "./decode.ts";
import { Delivering, type DeliveringNeeds } from "./delivering.ts";
import type { DoorParts } from "./door-parts.ts";
import { encodeSuback } from "./encode.ts";
import type { Filter } from "./filters.ts";
import { Publishing, type PublishingNeeds } from "./publishing.ts";
import { REASON } from "./reason.ts";
import { Retained, type RetainedNeeds } from "./retained.ts";
import type { Member } from "./share-group.ts";
import { Subscribing, type SubscribingNeeds } from "./subscribing.ts";

/** What the broker keeps of a group that nobody is in any more, and for how long. */
const SHARE_BYTES = 8 * 512;
const SHARE_KEEP_MS = 86_400_000;

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
  endWith(code: CodeName, reason: number, text: string): void;
  answer(bytes: Uint8Array): void;
  sessionId(): string;
  durably(then: () => void): void;
  changed(): void;
  lost(channel: string, code: CodeName): void;
}

export class ClientParts
  implements PublishingNeeds, SubscribingNeeds, DeliveringNeeds, RetainedNeeds
{
  readonly version: Version;
  readonly subscribing: Subscribing;
  readonly delivering: Delivering;
  readonly window: number;
  readonly packetBytesMax: number;
  readonly deliveredAliasMax: number;
  readonly #door: DoorParts;
  readonly #hooks: ClientHooks;
  #publishing: Publishing | undefined;
  #retained: Retained | undefined;

  constructor(door: DoorParts, { version, properties }: ConnectPacket, hooks: ClientHooks) {
    const { inFlightMax, topicAliasMax } = door.settings();
    this.#door = door;
    this.#hooks = hooks;
    this.version = version;
    this.window = Math.min(inFlightMax, properties.receiveMax ?? inFlightMax);
    this.packetBytesMax = properties.packetBytesMax ?? Number.POSITIVE_INFINITY;
    this.deliveredAliasMax = Math.min(properties.aliasMax ?? 0, topicAliasMax);
    this.subscribing = new Subscribing(this);
    this.delivering = new Delivering(this);
  }

  /** Made for the first message: most clients only listen. */
  get publishing(): Publishing {
    this.#publishing ??= new Publishing(this);
    return this.#publishing;
  }

  /** Undefined: the client has published nothing. */
  get published(): Publishing | undefined {
    return this.#publishing;
  }

  /** How often a packet of the client has settled something. */
  get useful(): number {
    return this.delivering.useful + (this.#publishing?.useful ?? 0);
  }

  get retained(): Retained {
    this.#retained ??= new Retained(this);
    return this.#retained;
  }

  /** Undefined: nothing retained was read. */
  get reading(): Retained | undefined {
    return this.#retained;
  }

  // ---- what several parts need ----

  get topics() {
    return this.#door.topics;
  }
  get messages() {
    return this.#door.messages;
  }
  get discovery() {
    return this.#door.discovery;
  }
  get shares() {
    return this.#door.shares;
  }
  get random() {
    return this.#door.random;
  }
  get filters() {
    return this.subscribing.filters;
  }
  get receiveMax(): number {
    return this.#door.settings().receiveMax;
  }
  get aliasMax(): number {
    return this.#door.settings().topicAliasMax;
  }
  get filtersMax(): number {
    return this.#door.settings().filtersMax;
  }
  get channelsMax(): number {
    return this.#door.settings().channelsMax;
  }
  get totals() {
    return this.#door.totals;
  }
  get party(): string {
    return this.#hooks.connection.party;
  }
  nowMs(): number {
    return this.#door.clock.nowMs();
  }
  wallMs(): number {
    return this.#door.clock.wallMs();
  }
  after(delayMs: number, task: () => void): () => void {
    return this.#door.clock.after(delayMs, task);
  }
  isLatest(channel: string): boolean {
    return this.#door.isLatest(channel);
  }
  durably(then: () => void): void {
    this.#hooks.durably(then);
  }
  changed(): void {
    this.#hooks.changed();
  }
  answer(bytes: Uint8Array): void {
    this.#hooks.answer(bytes);
  }
  push(bytes: Uint8Array): void {
    this.#door.totals.leaves(bytes);
    this.#hooks.connection.enqueue(bytes);
  }
  #receive(item: Item, length: number): void {
    this.#door.engine.receive(this.#hooks.connection, [item], length);
  }

  // ---- publishing ----

  nextId(): number {
    return this.#hooks.nextId();
  }
  ask(item: DoorPublish, length: number): void {
    const { discovery } = this.#door;
    if (!discovery.isIdle) discovery.noted(item.ch);
    this.#receive(item, length);
  }
  goOn(): void {
    this.#hooks.goOn();
  }
  giveUp(): void {
    this.#hooks.endWith("broker_lost", REASON.serverBusy, "the broker is away");
  }
  refused(code: CodeName): void {
    this.#door.observer.refused(code);
  }
  retains(bytes: number): void {
    this.#door.totals.retainedBytes += bytes;
  }
  sessionId(): string {
    return this.#hooks.sessionId();
  }

  // ---- subscribing ----

  subscribe(channel: string, isNew: boolean): void {
    this.#hooks.subscribe(channel, isNew);
  }
  unsubscribe(channel: string): void {
    this.delivering.forget(channel);
    this.leaveChannel(channel);
  }
  lost(channel: string, code: CodeName): void {
    this.#hooks.lost(channel, code);
  }
  suback(pid: number, reasons: readonly number[]): void {
    const { version } = this;
    this.durably(() => this.answer(encodeSuback("suback", { version, pid, reasons })));
  }
  readRetained(filter: Filter): void {
    this.retained.read(filter);
  }
  maySubscribe(channel: string): boolean | Promise<boolean> {
    return this.#door.maySubscribe(this.#hooks.connection, channel);
  }
  mayShare(): boolean {
    const { connection } = this.#hooks;
    return this.#door.engine.costs.keep(connection, SHARE_BYTES, SHARE_KEEP_MS);
  }
  hasRoom(): boolean {
    return this.delivering.hasRoom;
  }
  deliverShared(
    { qos, subscriptionId, retainAsPublished }: Filter,
    [message, origin, done]: Parameters<Member["deliver"]>,
  ): void {
    const wanted = {
      qos: Math.min(qos, message.qos) as Qos,
      retain: retainAsPublished && message.retain,
      subscriptionIds: subscriptionId === undefined ? [] : [subscriptionId],
    };
    // Not the channel itself: how far the session got there is another matter.
    const ch = `$share:${origin.channel}`;
    const { offset: o, epoch } = origin;
    const bytes = this.delivering.deliver({ ch, o }, { message, wanted, epoch, done });
    if (bytes.length > 0) this.push(bytes);
  }
  overflown(filter: string): void {
    const text = `filter ${filter.slice(0, 64)} reaches more than ${this.channelsMax} channels`;
    this.#hooks.endWith("flooded", REASON.quotaExceeded, text);
  }

  // ---- delivering, retained ----

  session(): string {
    return this.#hooks.connection.session;
  }
  roomAgain(): void {
    this.#door.engine.writable(this.#hooks.connection);
  }
  settled(): void {
    this.subscribing.hasRoom();
  }
  readChannel(channel: string): void {
    this.#hooks.readRetained(channel);
  }
  leaveChannel(channel: string): void {
    this.#receive({ t: "unsubscribe", id: this.nextId(), ch: channel }, 16);
  }
  isWatched(channel: string): boolean {
    return this.filters.watched.has(channel);
  }
}
