// Owns: who does what in a run: clients, what they subscribe to, publish, enter and watch. Drawn
// from the seed.

import { defineContract } from "@holdfast/contract";
import type { SeededRandom } from "@holdfast/core";
import type { CodecName, DeliveryClass } from "@holdfast/protocol";
import { LONG_TOKEN_MS } from "./authentication.ts";
import { drawHostile, type HostilePlan } from "./hostile-plan.ts";

/**
 * Every class of channel; `small` keeps so little that recovery must sometimes fail, and say so.
 */
export const SIM_CONTRACT = defineContract({
  channels: {
    "feed:{name}": {
      class: "ordered",
      history: { size: 500, ttlMs: 120_000 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
    "small:{name}": {
      class: "ordered",
      history: { size: 8, ttlMs: 4000 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
    "log:{name}": {
      class: "durable",
      history: { size: 500, ttlMs: 600_000 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
    "state:{name}": {
      class: "latest",
      history: { size: 50, ttlMs: 600_000 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
    "cursor:{name}": { class: "volatile", permissions: { subscribe: "anyone", publish: "anyone" } },
    "room:{name}": {
      class: "ordered",
      presence: true,
      history: { size: 500, ttlMs: 120_000 },
      permissions: {
        subscribe: "anyone",
        publish: "anyone",
        presence: "anyone",
        history: "anyone",
      },
    },
    "heard:{name}": {
      class: "ordered",
      history: { size: 500, ttlMs: 120_000 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "nobody" },
    },
    // Full before the run begins; hostile clients alone use it.
    "hoard:{name}": {
      class: "ordered",
      history: { size: 100, ttlMs: 600_000 },
      permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
    },
    "secret:{name}": {
      class: "ordered",
      history: { size: 500, ttlMs: 120_000 },
      permissions: { subscribe: "token", publish: "token", history: "token" },
    },
  },
  rpc: {
    echo: { allow: "anyone", handler: (input) => input },
  },
});

export const SIM_CHANNELS: readonly { readonly name: string; readonly cls: DeliveryClass }[] = [
  { name: "feed:a", cls: "ordered" },
  { name: "feed:b", cls: "ordered" },
  { name: "small:a", cls: "ordered" },
  { name: "log:a", cls: "durable" },
  { name: "state:a", cls: "latest" },
  { name: "cursor:a", cls: "volatile" },
  { name: "room:a", cls: "ordered" },
  { name: "secret:a", cls: "ordered" },
];

/** Nobody may read its history: what a session missed comes by subscribing alone, or not at all. */
export const HEARD_CHANNEL = "heard:a";

export interface ClientPlan {
  readonly name: string;
  readonly codec: CodecName;
  /** Told to node and balancer alike; false: a client that does not migrate. */
  readonly startMs: number;
  readonly subscribe: readonly string[];
  /** With the newest n before it, where given. */
  readonly last: number | undefined;
  readonly publish: readonly {
    readonly channel: string;
    readonly everyMs: number;
    readonly bytes: number;
  }[];
  readonly member: boolean;
  readonly watches: boolean;
  readonly callsEveryMs: number | undefined;
  readonly readsEveryMs: number | undefined;
  /** Its token may do things in `secret:*`. */
  readonly trusted: boolean;
  /** Tokens of later are not trusted any more: the next refresh takes `secret:*` away. */
  readonly trustEndsMs: number | undefined;
  /** How long a token is good for; short ones must be refreshed on the way. */
  readonly tokenMs: number;
  /** Its token is not renewed: when it is over, so is the client. */
  readonly tokenEnds: boolean;
  /** Closes its client for good at this time. */
  readonly leavesAtMs: number | undefined;
  /** Sends its publish frames twice. */
  readonly repeats: boolean;
}

export interface Workload {
  readonly clients: readonly ClientPlan[];
  readonly hostile: readonly HostilePlan[];
  /** Some publications are large enough to fill queues. */
  readonly heavy: boolean;
}

export function drawWorkload(random: SeededRandom): Workload {
  const heavy = random.chance(0.25);
  const count = 3 + random.int(6);
  return {
    heavy,
    hostile: drawHostile(random.fork("hostile")),
    clients: Array.from({ length: count }, (_, index) =>
      hearing(drawClient(random, index, heavy), random.fork(`hears ${index}`)),
    ),
  };
}

function drawClient(random: SeededRandom, index: number, heavy: boolean): ClientPlan {
  const subscribe = SIM_CHANNELS.filter(() => random.chance(0.5)).map(({ name }) => name);
  const publishers = SIM_CHANNELS.filter(() => random.chance(index < 2 ? 0.5 : 0.15));
  return {
    name: `c${index}`,
    codec: random.pick<CodecName>(["json", "msgpack"]),
    startMs: random.int(1500),
    subscribe,
    last: random.chance(0.3) ? 1 + random.int(10) : undefined,
    publish: publishers.map(({ name }) => ({
      channel: name,
      everyMs: random.pick([250, 700, 1500, 4000]),
      bytes: heavy && random.chance(0.5) ? 2000 : 10 + random.int(60),
    })),
    member: random.chance(0.5),
    watches: random.chance(0.4),
    callsEveryMs: random.chance(0.3) ? 500 + random.int(3000) : undefined,
    readsEveryMs: random.chance(0.3) ? 500 + random.int(3000) : undefined,
    trusted: random.chance(0.5),
    trustEndsMs: random.chance(0.2) ? 3000 + random.int(6000) : undefined,
    tokenMs: random.chance(0.3) ? 10_000 + random.int(10_000) : LONG_TOKEN_MS,
    tokenEnds: random.chance(0.2),
    leavesAtMs: random.chance(0.15) ? 5000 + random.int(15_000) : undefined,
    repeats: random.chance(0.15),
  };
}

/** Drawn apart, so that the seeds of before mean the same for the other channels. */
function hearing(plan: ClientPlan, random: SeededRandom): ClientPlan {
  const channel = HEARD_CHANNEL;
  const work = { channel, everyMs: random.pick([250, 700, 1500]), bytes: 10 + random.int(60) };
  return {
    ...plan,
    subscribe: random.chance(0.5) ? [...plan.subscribe, channel] : plan.subscribe,
    publish: random.chance(0.2) ? [...plan.publish, work] : plan.publish,
  };
}

/** One line for people. */
export function describeClient(plan: ClientPlan): string {
  const parts = [
    plan.name.padEnd(4),
    plan.codec.padEnd(8),
    `starts=${plan.startMs}`,
    `subscribes=${plan.subscribe.join(",") || "-"}`,
    `publishes=${plan.publish.map(({ channel, everyMs, bytes }) => `${channel}/${everyMs}ms/${bytes}B`).join(",") || "-"}`,
  ];
  if (plan.last !== undefined) parts.push(`last=${plan.last}`);
  if (plan.member) parts.push("member");
  if (plan.watches) parts.push("watches");
  if (plan.callsEveryMs !== undefined) parts.push(`calls/${plan.callsEveryMs}ms`);
  if (plan.readsEveryMs !== undefined) parts.push(`reads/${plan.readsEveryMs}ms`);
  if (plan.trusted)
    parts.push(`trusted${plan.trustEndsMs === undefined ? "" : ` until ${plan.trustEndsMs}`}`);
  if (plan.tokenMs < LONG_TOKEN_MS)
    parts.push(`token=${plan.tokenMs}ms${plan.tokenEnds ? " (not renewed)" : ""}`);
  if (plan.leavesAtMs !== undefined) parts.push(`leaves=${plan.leavesAtMs}`);
  if (plan.repeats) parts.push("repeats");
  return parts.join(" ");
}
