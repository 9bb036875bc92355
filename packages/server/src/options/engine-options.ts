// Owns: the rows of the option table that the engine of a node obeys: limits, times, flow,
// admission, drain. Each description ends with why the default is what it is.
import { boolean, bytes, decimal, duration, integer } from "@holdfast/config";
import { LIMIT_OPTIONS } from "./limit-options.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const MINUTE_MS = 60_000;

export const ENGINE_OPTIONS = {
  limits: LIMIT_OPTIONS,
  timeouts: {
    handshakeMs: duration({
      default: 10_000,
      min: 100,
      max: 5 * MINUTE_MS,
      live: true,
      description:
        "Longest time from the opening of a socket to its first frame. 10 s is enough for a slow phone. Silent sockets do not hold their slots for longer.",
    }),
    idleMs: duration({
      default: 60_000,
      min: 1000,
      max: 60 * MINUTE_MS,
      live: true,
      description:
        "The node closes a connection from which nothing came for this long. After half of the time it sends a WebSocket ping, and the answer counts. Hidden pages run their timers only once a minute.",
    }),
    pingMs: duration({
      default: 25_000,
      min: 500,
      max: 30 * MINUTE_MS,
      live: true,
      description:
        "How often clients ping. 25 s keeps connections open through proxies that cut silent ones after 30 to 60 s.",
    }),
    rpcMs: duration({
      default: 10_000,
      min: 10,
      max: 10 * MINUTE_MS,
      live: true,
      description: "Longest time for a call. A caller may ask for less.",
    }),
    presenceGraceMs: duration({
      default: 10_000,
      min: 0,
      max: 10 * MINUTE_MS,
      live: true,
      description:
        "How long a member stays after its connection was lost. 10 s is enough for a reload, a change of network and a node's restart.",
    }),
    presenceLeaseMs: duration({
      default: 30_000,
      min: 3000,
      max: 60 * MINUTE_MS,
      live: true,
      description:
        "How long a node's members stay after the node died. A node renews the lease after a third of the time, so two renewals may fail.",
    }),
    presenceCoalesceMs: duration({
      default: 100,
      min: 0,
      max: 10_000,
      live: true,
      description:
        "The node collects presence changes for this long. Nobody notices 100 ms, and the joins of a mass reconnect become a few frames.",
    }),
    resumeTtlMs: duration({
      default: 5 * MINUTE_MS,
      min: 5000,
      max: 24 * 60 * MINUTE_MS,
      description:
        "How long a resume token is good. All clients of a node can return within 5 minutes. Pongs bring newer tokens.",
    }),
    clockSkewMs: duration({
      default: MINUTE_MS,
      min: 0,
      max: 10 * MINUTE_MS,
      description:
        "How far apart the clocks of the nodes and the broker may be. A session without the " +
        "permission for history recovers nothing that was published within this time after its " +
        "claims began.",
    }),
  },
  flow: {
    lagBytes: bytes({
      default: 256 * KIB,
      min: 4 * KIB,
      max: 64 * MIB,
      live: true,
      description:
        "If a connection has more unsent bytes than this, its subscriptions lag and their slow-consumer policy begins.",
    }),
    queueBytesMax: bytes({
      default: MIB,
      min: 16 * KIB,
      max: 256 * MIB,
      description:
        "If a connection has more unsent bytes than this, the node closes it as a slow consumer. 10,000 such connections would take 10 GB. Lower it on small nodes.",
    }),
    lagMsMax: duration({
      default: 30_000,
      min: 100,
      max: 10 * MINUTE_MS,
      live: true,
      description:
        "If a connection lags for longer than this, the node closes it as a slow consumer.",
    }),
    slowMs: duration({
      default: 250,
      min: 1,
      max: MINUTE_MS,
      live: true,
      description:
        "A delivery or an answer that takes longer counts as slow in `felt`. Releases are compared by it. Nothing else follows from it.",
    }),
    chunkBytes: bytes({
      default: 64 * KIB,
      min: KIB,
      max: 16 * MIB,
      live: true,
      description:
        "Bytes of publications in one chunk of a recovery. It is a small part of the queue, so that live traffic of other channels does not wait.",
    }),
    groupFrom: integer({
      default: 50,
      min: 2,
      max: 1_000_000,
      live: true,
      description:
        "For channels with at least this many subscribers of one codec, the node uses the " +
        "transport's own fan-out. For smaller ones it sends to each socket: that costs the same, " +
        "and shows which client is slow.",
    }),
  },
  ring: {
    publicationsMax: integer({
      default: 100,
      min: 0,
      max: 100_000,
      live: true,
      description:
        "Recent publications of each channel in the node's memory. With them, the node serves returning clients without the broker.",
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
        "Handshakes a second that the node takes (A in docs/operations/draining.md). Measure yours. With signed tokens, 500 leaves half of one core free, and less if the node does TLS.",
    }),
    resumeReserve: decimal({
      default: 0.3,
      min: 0,
      max: 0.9,
      live: true,
      description:
        "Share of admission.handshakesPerSecond that only returning sessions may use. So new clients cannot keep them out.",
    }),
    windowMinMs: duration({
      default: 500,
      min: 0,
      max: 10 * MINUTE_MS,
      live: true,
      description: "Shortest window over which clients are told to spread their return.",
    }),
  },
  fleet: {
    figuresMs: duration({
      default: 1000,
      min: 100,
      max: MINUTE_MS,
      live: true,
      description: "How often a node tells the others its figures.",
    }),
    nodeLeaseMs: duration({
      default: 5000,
      min: 500,
      max: 10 * MINUTE_MS,
      live: true,
      description:
        "If a node says nothing for this long, it counts as dead. At five times fleet.figuresMs, four messages may be lost.",
    }),
    lagMsMax: duration({
      default: 250,
      min: 10,
      max: MINUTE_MS,
      live: true,
      description:
        "If a node's event loop is later than this, the node takes fewer handshakes, and other nodes drain more slowly.",
    }),
    askMs: duration({
      default: 1000,
      min: 50,
      max: MINUTE_MS,
      live: true,
      description:
        "How long a question to all nodes waits for answers. The result names the nodes that did not answer.",
    }),
    rebalance: boolean({
      default: true,
      live: true,
      description:
        "Moves sessions away from a node that has more than the mean of all nodes, for instance after a node joined.",
    }),
    rebalanceTolerance: decimal({
      default: 0.1,
      min: 0,
      max: 10,
      live: true,
      description:
        "A node moves sessions only if it has more than the mean of all nodes by this share. 0.1 means 10 % more.",
    }),
    rebalanceSessionsMin: integer({
      default: 20,
      min: 1,
      max: 1_000_000,
      live: true,
      description:
        "A node moves sessions only if it has at least this many more than the mean of all nodes.",
    }),
    rebalancePerSecond: decimal({
      default: 50,
      min: 0.1,
      max: 10_000,
      unit: "/s",
      live: true,
      description:
        "Most sessions that a node moves in a second while it rebalances. It can be slow, because nobody waits for it.",
    }),
    rebalanceCooldownMs: duration({
      default: 30_000,
      min: 0,
      max: 60 * MINUTE_MS,
      live: true,
      description: "Time between one rebalancing and the next.",
    }),
  },
  drain: {
    preDelayMs: duration({
      default: 5000,
      min: 0,
      max: 10 * MINUTE_MS,
      live: true,
      description:
        'Time between "not ready" and the first goodbye, in which balancers learn of it. With the window it fits into Kubernetes\' default grace period of 30 s.',
    }),
    windowMs: duration({
      default: 20_000,
      min: 0,
      max: 24 * 60 * MINUTE_MS,
      live: true,
      description:
        "Time from the first goodbye to the deadline. If nodes have more connections, make it longer, and the grace period, too.",
    }),
    perSecondMax: decimal({
      default: 500,
      min: 0.1,
      max: 100_000,
      unit: "/s",
      live: true,
      description:
        "Most sessions that leave in a second, unless the deadline needs more. It should be what the other nodes can take.",
    }),
  },
} as const;
