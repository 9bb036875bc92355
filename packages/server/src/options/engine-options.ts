// Owns: the rows of the option table that the engine of a node obeys: limits, times, flow,
// admission, drain. Each description ends with why the default is what it is.
import { boolean, bytes, decimal, duration, integer } from "@holdfast/config";
import { CHANNEL_LENGTH_CEILING } from "@holdfast/protocol";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;

export const ENGINE_OPTIONS = {
  limits: {
    messageBytesMax: bytes({
      default: MIB,
      min: 4 * KIB,
      max: 64 * MIB,
      description:
        "Largest WebSocket message that is read. 1 MiB holds a thousand subscribe frames at once and one publication of the largest size.",
    }),
    dataBytesMax: bytes({
      default: 64 * KIB,
      min: 64,
      max: 16 * MIB,
      live: true,
      description:
        "Largest data of one publication, presence entry or call. 64 KiB is far above chat and telemetry, and far below what would fill a queue.",
    }),
    subscriptionsMax: integer({
      default: 1000,
      min: 1,
      max: 100_000,
      live: true,
      description:
        "Subscriptions of a connection. An application that needs more usually wants fewer, wider channels.",
    }),
    channelLengthMax: integer({
      default: CHANNEL_LENGTH_CEILING,
      min: 1,
      max: CHANNEL_LENGTH_CEILING,
      description:
        "Longest channel name, in UTF-16 code units. The default is the protocol's ceiling.",
    }),
    publishesPerSecondMax: decimal({
      default: 100,
      min: 0.1,
      max: 100_000,
      unit: "/s",
      live: true,
      description:
        "Publishes and presence changes of a connection. 100 lets a cursor move at 60 a second and leaves room for the rest.",
    }),
    rpcsPerSecondMax: decimal({
      default: 50,
      min: 0.1,
      max: 100_000,
      unit: "/s",
      live: true,
      description:
        "Calls and token refreshes of a connection. 50 is above what a person's clicks cause and below what a loop does.",
    }),
    framesPerSecondMax: decimal({
      default: 1000,
      min: 1,
      max: 1_000_000,
      unit: "/s",
      live: true,
      description:
        "All frames of a connection together. With the burst a returning client can ask for all its subscriptions at once.",
    }),
    receivedBytesPerSecondMax: bytes({
      default: 2 * MIB,
      min: 4 * KIB,
      max: 1024 * MIB,
      live: true,
      description:
        "Bytes of messages of a connection in a second. Over it the node reads on later. 2 MiB hold twenty publications of the largest size as base64.",
    }),
    answeredBytesPerSecondMax: bytes({
      default: 4 * MIB,
      min: 4 * KIB,
      max: 4096 * MIB,
      live: true,
      description:
        "Bytes in a second that a connection is answered with, and that are read from the broker for it. Over it its next requests wait. 4 MiB is more than most networks bring to a client.",
    }),
    burstFactor: decimal({
      default: 4,
      min: 1,
      max: 100,
      live: true,
      description:
        "How many seconds' worth of each rate may be used at once. 4 lets a client that was offline send what it queued.",
    }),
    rpcsInFlightMax: integer({
      default: 32,
      min: 1,
      max: 10_000,
      live: true,
      description: "Unanswered calls of a connection. 32 is a page that loads everything at once.",
    }),
    connectionsMax: integer({
      default: 10_000,
      min: 1,
      max: 1_000_000,
      description:
        "Connections of the node; must stay below the process's limit of open files. 10,000 need about 100 MB and drain in 20 s.",
    }),
    connectionsPerAddressMax: integer({
      default: 5000,
      min: 1,
      max: 1_000_000,
      live: true,
      description:
        "Connections from one address. Half a node: behind a proxy that is not in trustedProxies everyone has the proxy's address, so a low figure would cut off real users.",
    }),
    connectionsPerUserMax: integer({
      default: 100,
      min: 1,
      max: 1_000_000,
      live: true,
      description:
        "Connections of one user on the node. Sessions that come back may be as many as all known nodes together allow. 100 is many tabs and devices, and few for a stolen token.",
    }),
    membersMax: integer({
      default: 2000,
      min: 1,
      max: 100_000,
      live: true,
      description:
        "Members of a channel's presence. Every watcher is told of every member: beyond 2,000 show a count instead.",
    }),
    presencePerConnectionMax: integer({
      default: 100,
      min: 0,
      max: 100_000,
      live: true,
      description:
        "Presence entries and watches of a connection. A session that comes back may enter as many channels whatever limits.publishesPerSecondMax says. 100 rooms on one page is a lot.",
    }),
    handshakesInFlightMax: integer({
      default: 1000,
      min: 1,
      max: 100_000,
      live: true,
      description:
        "Connections whose first frame is not answered yet. Two seconds' worth of admission.handshakesPerSecond.",
    }),
  },
  timeouts: {
    handshakeMs: duration({
      default: 10_000,
      min: 100,
      max: 5 * MINUTE_MS,
      live: true,
      description:
        "From the opening of a socket to its first frame. 10 s is enough for a slow phone and too little to hold a slot for free.",
    }),
    idleMs: duration({
      default: 60_000,
      min: 1000,
      max: 60 * MINUTE_MS,
      live: true,
      description:
        "A connection from which nothing came for this long is closed. After half of it the node sends a WebSocket ping, whose answer counts: hidden pages run their timers once a minute.",
    }),
    pingMs: duration({
      default: 25_000,
      min: 500,
      max: 30 * MINUTE_MS,
      live: true,
      description:
        "How often clients ping. 25 s keeps a connection alive through proxies that cut silent ones after 30 to 60 s.",
    }),
    rpcMs: duration({
      default: 10_000,
      min: 10,
      max: 10 * MINUTE_MS,
      live: true,
      description: "Longest that a call may take; callers may ask for less.",
    }),
    presenceGraceMs: duration({
      default: 10_000,
      min: 0,
      max: 10 * MINUTE_MS,
      live: true,
      description:
        "How long a member stays whose connection was lost. 10 s covers a reload, a change of network and a node's restart.",
    }),
    presenceLeaseMs: duration({
      default: 30_000,
      min: 3000,
      max: 60 * MINUTE_MS,
      live: true,
      description:
        "How long the members of a node stay that died without a word. Nodes renew at a third of it, so two renewals may fail.",
    }),
    presenceCoalesceMs: duration({
      default: 100,
      min: 0,
      max: 10_000,
      live: true,
      description:
        "Presence changes are gathered for this long. 100 ms is not noticed and turns a herd's joins into a few frames.",
    }),
    resumeTtlMs: duration({
      default: 5 * MINUTE_MS,
      min: 5000,
      max: 24 * 60 * MINUTE_MS,
      description:
        "How long a resume token is good. 5 minutes outlast the return of a whole node's clients; newer tokens come with pongs.",
    }),
  },
  flow: {
    lagBytes: bytes({
      default: 256 * KIB,
      min: 4 * KIB,
      max: 64 * MIB,
      live: true,
      description:
        "Unsent bytes above which a connection's subscriptions lag and their slow-consumer policy begins.",
    }),
    queueBytesMax: bytes({
      default: MIB,
      min: 16 * KIB,
      max: 256 * MIB,
      description:
        "Unsent bytes above which a connection is closed as a slow consumer. 10,000 such connections would take 10 GB: lower it on small nodes.",
    }),
    lagMsMax: duration({
      default: 30_000,
      min: 100,
      max: 10 * MINUTE_MS,
      live: true,
      description: "A connection that lags for longer is closed as a slow consumer.",
    }),
    chunkBytes: bytes({
      default: 64 * KIB,
      min: KIB,
      max: 16 * MIB,
      live: true,
      description:
        "Publications in one chunk of a recovery. A small part of the queue, so that live traffic of other channels is not held up.",
    }),
    groupFrom: integer({
      default: 50,
      min: 2,
      max: 1_000_000,
      live: true,
      description:
        "Rooms with at least this many subscribers go through the transport's own fan-out; below, a send for each socket costs the same and reports who is slow.",
    }),
  },
  ring: {
    publicationsMax: integer({
      default: 100,
      min: 0,
      max: 100_000,
      live: true,
      description:
        "Recent publications of each channel in the node's memory, which serve returning clients without the broker.",
    }),
    bytesMax: bytes({
      default: 256 * KIB,
      min: 0,
      max: 256 * MIB,
      live: true,
      description: "Bytes of recent publications of each channel in the node's memory.",
    }),
  },
  admission: {
    handshakesPerSecond: decimal({
      default: 500,
      min: 0.1,
      max: 100_000,
      unit: "/s",
      live: true,
      description:
        "Set-ups a second that the node takes (A). Measure yours: 500 leaves half of one core with signed tokens, less where TLS ends here.",
    }),
    resumeReserve: decimal({
      default: 0.3,
      min: 0,
      max: 0.9,
      live: true,
      description:
        "Share of A that only resumes may use, so that newcomers cannot keep those out who were here.",
    }),
    windowMinMs: duration({
      default: 500,
      min: 0,
      max: 10 * MINUTE_MS,
      live: true,
      description: "Least window over which clients are told to spread their return.",
    }),
  },
  fleet: {
    figuresMs: duration({
      default: 1000,
      min: 100,
      max: MINUTE_MS,
      live: true,
      description: "How often a node tells the others how it is.",
    }),
    nodeLeaseMs: duration({
      default: 5000,
      min: 500,
      max: 10 * MINUTE_MS,
      live: true,
      description:
        "A node that says nothing for this long is dead to the others. Five times fleet.figuresMs lets four words be lost.",
    }),
    lagMsMax: duration({
      default: 250,
      min: 10,
      max: MINUTE_MS,
      live: true,
      description:
        "With an event loop later than this a node takes fewer set-ups, and drains towards it go slower.",
    }),
    askMs: duration({
      default: 1000,
      min: 50,
      max: MINUTE_MS,
      live: true,
      description:
        "How long a question to all nodes waits; nodes that did not answer are named in the result.",
    }),
    rebalance: boolean({
      default: true,
      live: true,
      description:
        "Moves sessions away from a node that has more than the mean of all, for instance after one joined.",
    }),
    rebalanceTolerance: decimal({
      default: 0.1,
      min: 0,
      max: 10,
      live: true,
      description: "Share above the mean that is let be.",
    }),
    rebalanceSessionsMin: integer({
      default: 20,
      min: 1,
      max: 1_000_000,
      live: true,
      description: "Differences below this many sessions are let be.",
    }),
    rebalancePerSecond: decimal({
      default: 50,
      min: 0.1,
      max: 10_000,
      unit: "/s",
      live: true,
      description:
        "Sessions that a node gives away at most while it evens out load. Slow: nobody waits for it.",
    }),
    rebalanceCooldownMs: duration({
      default: 30_000,
      min: 0,
      max: 60 * MINUTE_MS,
      live: true,
      description: "Between one evening out and the next.",
    }),
  },
  drain: {
    preDelayMs: duration({
      default: 5000,
      min: 0,
      max: 10 * MINUTE_MS,
      live: true,
      description:
        'Between "not ready" and the first goodbye, until balancers know. With the window it fits into Kubernetes\' default grace of 30 s.',
    }),
    windowMs: duration({
      default: 20_000,
      min: 0,
      max: 24 * 60 * MINUTE_MS,
      live: true,
      description:
        "From the first goodbye to the deadline. Give more, and a longer grace period, to nodes with more connections.",
    }),
    perSecondMax: decimal({
      default: 500,
      min: 0.1,
      max: 100_000,
      unit: "/s",
      live: true,
      description:
        "Most sessions that leave in a second, unless the deadline demands more: what the other nodes can take.",
    }),
  },
} as const;
