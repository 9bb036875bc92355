// Owns: the channels to which each client subscribes and publishes, and of which it is a member.
// Pure: the same seed gives the same workload, in every process.
import type { DeliveryClass } from "@holdfast/protocol";
import { createSeededRandom } from "@holdfast/testkit";

export interface ChannelSpec {
  readonly index: number;
  readonly name: string;
  readonly cls: DeliveryClass;
}

export interface ClientSpec {
  readonly index: number;
  readonly user: string;
  readonly codec: "json" | "msgpack";
  /** Channels by index; none twice. */
  readonly channels: readonly number[];
  readonly publishes: boolean;
  /** Channel of which it is a member. */
  readonly enters?: number;
  /** Channel whose members it watches. */
  readonly watches?: number;
}

export interface Workload {
  /**
   * The ordinary channels, to which clients subscribe and publish at random, and after them the two
   * of `fat`.
   */
  readonly channels: readonly ChannelSpec[];
  readonly ordinary: number;
  /**
   * An ordered and a volatile channel for publications of many bytes, by index; nobody subscribes
   * without being told.
   */
  readonly fat: readonly [ordered: number, volatile: number];
  readonly clients: readonly ClientSpec[];
  /** Channels with members, by index. */
  readonly rooms: readonly number[];
}

export interface WorkloadSize {
  readonly clients: number;
  readonly channels: number;
  readonly seed: number;
}

/**
 * Of ten channels one is durable, one volatile, one keeps the latest by key; the others are
 * ordered, the default.
 */
const CLASSES: readonly DeliveryClass[] = [
  "durable",
  "volatile",
  "latest",
  "ordered",
  "ordered",
  "ordered",
  "ordered",
  "ordered",
  "ordered",
  "ordered",
];
const CHANNELS_OF_CLIENT = 4;
const ROOMS_MAX = 10;
const WATCHERS_OF_ROOM = 3;
/**
 * Every tenth client publishes, every tenth is a member of a room, every fourth speaks MessagePack.
 */
const PUBLISHER_EVERY = 10;
const MEMBER_EVERY = 10;
const MSGPACK_EVERY = 4;
export const LATEST_KEYS = 5;

/** At least 10 channels, so that every class has one. */
export function workloadOf({ clients, channels, seed }: WorkloadSize): Workload {
  const random = createSeededRandom(seed);
  const specs = Array.from({ length: channels }, (_, index): ChannelSpec => {
    const cls = CLASSES[index % CLASSES.length] ?? "ordered";
    return { index, name: `${cls}:${index}`, cls };
  });
  const rooms = specs
    .filter(({ cls }) => cls === "ordered")
    .slice(0, ROOMS_MAX)
    .map(({ index }) => index);
  const chosen = random.fork("subscriptions");
  const people = Array.from({ length: clients }, (_, index): ClientSpec => {
    const some = new Set<number>();
    while (some.size < Math.min(CHANNELS_OF_CLIENT, channels)) some.add(chosen.int(channels));
    const place = Math.floor(index / MEMBER_EVERY);
    const watched =
      index < rooms.length * WATCHERS_OF_ROOM ? rooms[index % rooms.length] : undefined;
    const entered =
      index % MEMBER_EVERY === MEMBER_EVERY - 1 ? rooms[place % rooms.length] : undefined;
    return {
      index,
      user: `user-${index}`,
      codec: index % MSGPACK_EVERY === 3 ? "msgpack" : "json",
      channels: [...some],
      publishes: index % PUBLISHER_EVERY === 0,
      ...(entered === undefined ? {} : { enters: entered }),
      ...(watched === undefined ? {} : { watches: watched }),
    };
  });
  const fat: readonly ChannelSpec[] = [
    { index: channels, name: "ordered:fat", cls: "ordered" },
    { index: channels + 1, name: "volatile:fat", cls: "volatile" },
  ];
  return {
    channels: [...specs, ...fat],
    ordinary: channels,
    fat: [channels, channels + 1],
    clients: people,
    rooms,
  };
}

/** Deliveries that one publication to a channel chosen evenly makes, on average. */
export function deliveriesOfPublication({ ordinary, clients }: Workload): number {
  return clients.reduce((sum, client) => sum + client.channels.length, 0) / ordinary;
}
