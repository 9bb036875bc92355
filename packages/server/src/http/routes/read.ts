// Owns: the operations that only look: history, presence, channels, sessions, info.
import type { NodeFigures, SessionInfo } from "@holdfast/core";
import { z } from "zod";
import { membersOf } from "../json.ts";
import { done, route } from "../route.ts";
import {
  after,
  channelName,
  dataOut,
  epoch,
  offset,
  pageLimit,
  sessionId,
  timeMs,
  userId,
} from "../schemas.ts";
import { publicationOut, publicationShown } from "./publication.ts";

const destinationOut = {
  toRevision: z.string().optional().meta({
    description: "Only nodes of this revision take the sessions until the deadline.",
  }),
  isPreferred: z.boolean().optional().meta({
    description: "Other nodes take those that find no place there.",
  }),
};

/** Channel names shown of one session; `channelCount` says how many there are. */
const CHANNELS_SHOWN_MAX = 100;

export const history = route({
  name: "history",
  method: "GET",
  path: "/history",
  scope: "history",
  summary: "Read what a channel keeps, oldest first.",
  description:
    "The newest publications, or those before `before`. The node may answer fewer than asked; `more` says that older ones are kept.",
  input: z.strictObject({
    channel: channelName,
    limit: pageLimit(50),
    before: z
      .int()
      .min(1)
      .optional()
      .meta({ description: "Answers publications with smaller offsets." }),
  }),
  output: z.object({
    epoch,
    head: offset,
    more: z.boolean(),
    publications: z.array(publicationOut),
  }),
  async handle({ channel, limit, before }, { control }) {
    const outcome = await control.history(channel, {
      limit,
      ...(before === undefined ? {} : { before }),
    });
    if (!outcome.ok) return outcome;
    const { epoch: stream, head, more, publications } = outcome.value;
    const shown = publications.map(publicationShown);
    return done({ epoch: stream, head, more, publications: shown });
  },
});

export const presence = route({
  name: "presence",
  method: "GET",
  path: "/presence",
  scope: "presence",
  summary: "List a channel's members.",
  input: z.strictObject({ channel: channelName }),
  output: z.object({
    members: z.array(z.object({ session: z.string(), user: z.string().optional(), ...dataOut })),
  }),
  async handle({ channel }, { control }) {
    const outcome = await control.presence(channel);
    if (!outcome.ok) return outcome;
    return done({
      members: outcome.value.map(({ member, user, data }) => ({
        session: member,
        user,
        ...membersOf(data),
      })),
    });
  },
});

export const channels = route({
  name: "channels",
  method: "GET",
  path: "/channels",
  scope: "channels",
  summary: "List channels that have a subscriber or are kept, by name.",
  input: z.strictObject({
    prefix: z.string().max(255).default("").meta({ description: "Only names that begin with it." }),
    after,
    limit: pageLimit(100),
  }),
  output: z.object({
    channels: z.array(z.string()),
    next: z.string().optional().meta({ description: "For `after`; absent on the last page." }),
  }),
  async handle({ prefix, after: last, limit }, { control }) {
    const outcome = await control.channels({
      prefix,
      limit: limit + 1,
      ...(last === undefined ? {} : { after: last }),
    });
    if (!outcome.ok) return outcome;
    const { page, next } = pageOf(outcome.value, limit, (name) => name);
    return done({ channels: page, next });
  },
});

export const sessions = route({
  name: "sessions",
  method: "GET",
  path: "/sessions",
  scope: "sessions",
  summary: "List sessions of every node, by id.",
  description:
    "A node that does not answer in time is named in `missing`; its sessions are not in the list.",
  input: z.strictObject({ user: userId.optional(), after, limit: pageLimit(100) }),
  output: z.object({
    sessions: z.array(
      z.object({
        session: sessionId,
        node: z.string(),
        user: z.string().optional(),
        address: z.string(),
        codec: z.string(),
        client: z.string().optional(),
        connectedAtMs: timeMs,
        queueBytes: z.number(),
        channelCount: z.int(),
        channels: z
          .array(z.string())
          .meta({ description: `Names of at most ${CHANNELS_SHOWN_MAX} subscribed channels.` }),
      }),
    ),
    next: z.string().optional().meta({ description: "For `after`; absent on the last page." }),
    missing: z.array(z.string()).meta({ description: "Nodes that did not answer." }),
  }),
  async handle({ user, after: last, limit }, { control }) {
    const { sessions: found, missing } = await control.sessionsEverywhere({
      limit: limit + 1,
      ...(user === undefined ? {} : { user }),
      ...(last === undefined ? {} : { after: last }),
    });
    const { page, next } = pageOf(found, limit, ({ session }) => session);
    return done({ sessions: page.map(sessionShown), next, missing: [...missing] });
  },
});

export const info = route({
  name: "info",
  method: "GET",
  path: "/info",
  scope: "info",
  summary: "Say what this node is and holds.",
  input: z.strictObject({}),
  output: z.object({
    node: z.string(),
    revision: z.string(),
    state: z.enum(["starting", "ready", "draining", "stopped"]),
    startedAtMs: timeMs,
    connections: z.int(),
    sessions: z.int(),
    fixedSockets: z.int().meta({
      description:
        "Of the sessions' connections, those whose client cannot move: a drain closes them in their turn.",
    }),
    connectionsMax: z.int().meta({ description: "Option `limits.connectionsMax`." }),
    isFull: z.boolean().meta({ description: "It has as many connections as it may have." }),
    subscriptions: z.int(),
    channels: z.int(),
    queueBytes: z.number(),
    heldBytes: z.number(),
    windowMs: z.number(),
    handshakesPerSecond: z.number(),
    felt: z
      .object({
        connectionMinutes: z
          .number()
          .meta({ description: "Minutes that connections with a session have lived, added up." }),
        resumes: z.int().meta({
          description: "Sessions that came back or moved here, or were rejected for good.",
        }),
        resumesFailed: z.int().meta({ description: "Of those: not accepted as what they were." }),
        lost: z.int().meta({
          description: "Connection-minutes with a gap in an ordered or durable channel.",
        }),
        slow: z.int().meta({
          description:
            "Connection-minutes with a delivery or an answer later than option `flow.slowMs`.",
        }),
        closedAbnormally: z.int().meta({
          description: "Connections that ended without a closing handshake, a bye or the node.",
        }),
      })
      .meta({
        description:
          "What clients felt since the node started. A connection-minute counts once for each signal. Minutes begin with each connection.",
      }),
    fence: z
      .int()
      .meta({ description: "The highest token of an order that it obeyed; 0 if none had one." }),
    drain: z
      .object({
        total: z.int(),
        remaining: z.int(),
        asked: z.int(),
        moved: z.int(),
        told: z.int(),
        cut: z.int(),
        deadlineInMs: z.number(),
        ...destinationOut,
      })
      .optional(),
    shed: z
      .object({
        keep: z.int(),
        remaining: z.int().meta({ description: "Sessions above `keep`." }),
        asked: z.int().meta({ description: "Asked to move, and still here." }),
        toRevision: z.string(),
        deadlineInMs: z.number(),
      })
      .optional()
      .meta({ description: "The order to give up some sessions that runs." }),
  }),
  handle: async (_input, { control }) => done(control.info()),
});

const moves = z.object({ remaining: z.int(), deadlineInMs: z.number(), ...destinationOut });

export const nodes = route({
  name: "nodes",
  method: "GET",
  path: "/nodes",
  scope: "info",
  summary: "List the nodes of the cluster as this one knows them, itself included.",
  input: z.strictObject({}),
  output: z.object({
    nodes: z.array(
      z.object({
        node: z.string(),
        revision: z.string(),
        state: z.enum(["starting", "ready", "draining", "stopped"]),
        startedAtMs: timeMs,
        connections: z.int(),
        sessions: z.int(),
        handshakesPerSecond: z
          .number()
          .meta({ description: "Handshakes a second that it can take now (A), as measured." }),
        lagMs: z.number().meta({ description: "How late its event loop was lately." }),
        memoryBytes: z.number(),
        brokerOk: z.boolean(),
        orders: z
          .object({
            obeyed: z.int(),
            refused: z.int(),
            expired: z.int(),
            fence: z.number().optional(),
          })
          .optional()
          .meta({
            description:
              "Orders that the node obeyed, refused for their token, and gave in vain, since it started. `fence`: the highest token that it obeyed.",
          }),
        draining: moves.optional(),
        shedding: moves.optional().meta({ description: "As `shed` in `info`." }),
        isFull: z
          .boolean()
          .optional()
          .meta({ description: "It has as many connections as it may have." }),
        boundOdds: z.number().optional().meta({
          description:
            "The odds that clients reach one node alone, as far as the node knows. From 10 on it takes moving sessions at once.",
        }),
      }),
    ),
  }),
  handle: async (_input, { control }) => done({ nodes: control.nodes().map(nodeShown) }),
});

function nodeShown({ node, revision, state, startedAtMs, ...figures }: NodeFigures) {
  const {
    connections,
    sessions: sessionCount,
    handshakesPerSecond,
    lagMs,
    memoryBytes,
    brokerOk,
    orders,
    draining,
    shedding,
    isFull,
    boundOdds,
  } = figures;
  const shown = {
    node,
    revision,
    state,
    startedAtMs,
    connections,
    sessions: sessionCount,
    handshakesPerSecond,
    lagMs,
    memoryBytes,
    brokerOk,
    ...(orders === undefined ? {} : { orders }),
  };
  return {
    ...shown,
    ...(draining === undefined ? {} : { draining }),
    ...(shedding === undefined ? {} : { shedding }),
    ...(isFull === undefined ? {} : { isFull }),
    ...(boundOdds === undefined ? {} : { boundOdds }),
  };
}

function sessionShown({ channels: names, ...rest }: SessionInfo) {
  return { ...rest, channels: [...names] };
}

/** One more than `limit` was asked for, to know whether there is a next page. */
function pageOf<T>(
  found: readonly T[],
  limit: number,
  idOf: (entry: T) => string,
): { page: T[]; next: string | undefined } {
  const page = found.slice(0, limit);
  const last = page.at(-1);
  return { page, next: found.length > limit && last !== undefined ? idOf(last) : undefined };
}
