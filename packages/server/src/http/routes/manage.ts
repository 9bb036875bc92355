// Owns: the operations that end or move things: history_remove, disconnect, unsubscribe, drain,
// undrain, shed.
import { z } from "zod";
import { done, route } from "../route.ts";
import { channelName, epoch, nothing, offset, withWho } from "../schemas.ts";
import { info } from "./read.ts";

const who = ({ user, session }: { user?: string | undefined; session?: string | undefined }) => ({
  ...(user === undefined ? {} : { user }),
  ...(session === undefined ? {} : { session }),
});

export const historyRemove = route({
  name: "history_remove",
  method: "POST",
  path: "/history_remove",
  scope: "history_remove",
  summary: "Remove what a channel keeps.",
  description: "Offsets go on; subscribers that come back from before are told a gap.",
  input: z.strictObject({ channel: channelName }),
  output: z.object({ epoch, offset }),
  audited: true,
  handle: async ({ channel }, { control }) => control.removeHistory(channel),
});

export const disconnect = route({
  name: "disconnect",
  method: "POST",
  path: "/disconnect",
  scope: "disconnect",
  summary: "End the sessions of a user, or one session, on every node.",
  input: withWho({
    reconnect: z.boolean().default(true).meta({
      description:
        "False: code `banned`, clients stop, and their resume tokens are refused. Tokens of the application are not: stop issuing them.",
    }),
  }),
  output: nothing,
  audited: true,
  async handle(input, { control }) {
    const outcome = await control.disconnect(who(input), { reconnect: input.reconnect });
    return outcome.ok ? done({}) : outcome;
  },
});

export const unsubscribe = route({
  name: "unsubscribe",
  method: "POST",
  path: "/unsubscribe",
  scope: "disconnect",
  summary: "End the subscriptions of a user, or of one session, to a channel, on every node.",
  input: withWho({ channel: channelName }),
  output: nothing,
  audited: true,
  async handle(input, { control }) {
    const outcome = await control.unsubscribe(who(input), input.channel);
    return outcome.ok ? done({}) : outcome;
  },
});

const DURATION_MS_MAX = 86_400_000;
const windowMs = z
  .int()
  .min(0)
  .max(DURATION_MS_MAX)
  .optional()
  .meta({ description: "From the first session's move to the deadline." });
const preDelayMs = z
  .int()
  .min(0)
  .max(DURATION_MS_MAX)
  .optional()
  .meta({ description: "Between not being ready and the first move." });
const token = z.int().min(0).optional().meta({
  description:
    "Fencing: a node refuses an order with a lower token than the highest that it obeyed (`order_refused`). Without a token an order neither asks for that nor changes it. The same order with the same token again changes nothing.",
});
const toRevision = z.string().min(1).max(64);
const destination = {
  toRevision: toRevision.optional().meta({
    description:
      "Until the window is over, only nodes of this revision take the sessions that move. If none of them has a place, any node takes them in the last part of the window.",
  }),
  isPreferred: z.boolean().optional().meta({
    description: "A session that finds no place on `toRevision` may go to any node at once.",
  }),
};

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without the members that are not there. */
const given = <T extends object>(members: T): Given<T> =>
  Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Given<T>;

export const drain = route({
  name: "drain",
  method: "POST",
  path: "/drain",
  scope: "drain",
  summary: "Start moving every session off this node.",
  description:
    "Answered at once; `info` tells the progress. Again: changes the window and the destination. The node is not ready from now on, and goes on running.",
  input: z.strictObject({ windowMs, preDelayMs, token, ...destination }),
  output: info.output,
  status: 202,
  batchable: false,
  audited: true,
  async handle(input, { control }) {
    const outcome = control.obey({ order: "drain", ...given(input) });
    return outcome.ok ? done(control.info()) : outcome;
  },
});

export const undrain = route({
  name: "undrain",
  method: "POST",
  path: "/undrain",
  scope: "drain",
  summary: "End a drain or a shed; sessions that are here stay.",
  input: z.strictObject({ token }),
  output: z.object({
    undone: z
      .boolean()
      .meta({ description: "False when there was neither, or the process ends behind its drain." }),
  }),
  batchable: false,
  audited: true,
  async handle(input, { control }) {
    const { drain: begun, shed: isShedding } = control.info();
    const outcome = control.obey({ order: "undrain", ...given(input) });
    if (!outcome.ok && outcome.code !== "node_ending") return outcome;
    return done({ undone: outcome.ok && (begun ?? isShedding) !== undefined });
  },
});

export const shed = route({
  name: "shed",
  method: "POST",
  path: "/shed",
  scope: "drain",
  summary: "Move sessions to nodes of a revision until so many are left.",
  description:
    "Answered at once; `info` tells the progress. The node stays ready, and takes newcomers. The order ends when `keep` sessions are left, with its window, or by another order. Nobody is cut.",
  input: z.strictObject({
    keep: z
      .int()
      .min(0)
      .meta({ description: "Sessions that stay. Those that cannot move are among them." }),
    toRevision: toRevision.meta({
      description: "Until the window is over, only nodes of this revision take sessions that move.",
    }),
    windowMs,
    token,
  }),
  output: info.output,
  status: 202,
  batchable: false,
  audited: true,
  async handle({ keep, toRevision: to, ...more }, { control }) {
    const outcome = control.obey({ order: "shed", keep, toRevision: to, ...given(more) });
    return outcome.ok ? done(control.info()) : outcome;
  },
});

const ordered = z.strictObject({
  node: z.string().min(1).max(64),
  token,
});

export const nodeDrain = route({
  name: "node_drain",
  method: "POST",
  path: "/nodes/drain",
  scope: "drain",
  summary: "Order a node of the cluster to move every session off itself.",
  description:
    "Answered when the node has begun to obey; `nodes` shows how far it is. `order_refused`: it obeyed a higher token. `order_expired`: it did not answer within 10 s, and will not obey. `order_unconfirmed`: it may have obeyed.",
  input: ordered.extend({ windowMs, preDelayMs, ...destination }),
  output: nothing,
  status: 202,
  batchable: false,
  audited: true,
  async handle({ node, ...options }, { control }) {
    const outcome = await control.order(node, "drain", given(options));
    return outcome.ok ? done({}) : outcome;
  },
});

export const nodeUndrain = route({
  name: "node_undrain",
  method: "POST",
  path: "/nodes/undrain",
  scope: "drain",
  summary: "Order a node of the cluster to end its drain.",
  description: "As node_drain. `node_ending`: the process ends when it is drained, after a signal.",
  input: ordered,
  output: nothing,
  status: 202,
  batchable: false,
  audited: true,
  async handle({ node, ...options }, { control }) {
    const outcome = await control.order(node, "undrain", given(options));
    return outcome.ok ? done({}) : outcome;
  },
});
