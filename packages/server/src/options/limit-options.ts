// Owns: the rows of the option table that bound what clients may cost (docs/operations/limits.md).
// Each description ends with why the default is what it is.
import { bytes, decimal, integer } from "@holdfast/config";
import { CHANNEL_LENGTH_CEILING } from "@holdfast/protocol";

const KIB = 1024;
const MIB = 1024 * KIB;

export const LIMIT_OPTIONS = {
  messageBytesMax: bytes({
    default: 256 * KIB,
    min: 4 * KIB,
    max: 64 * MIB,
    description:
      "Largest WebSocket message that the node reads. 256 KiB hold a thousand subscribe frames with short names, or two publications of the largest size.",
  }),
  dataBytesMax: bytes({
    default: 64 * KIB,
    min: 64,
    max: 16 * MIB,
    live: true,
    description:
      "Largest data of one publication, presence entry or call. 64 KiB is much more than chat and telemetry need, and much less than a queue holds.",
  }),
  subscriptionsMax: integer({
    default: 1000,
    min: 1,
    max: 100_000,
    live: true,
    description:
      "Subscriptions of a connection. If an application needs more, it should usually have fewer and wider channels.",
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
      "Publishes and presence changes of a connection. With 100 a cursor can move 60 times a second, and 40 are left for the rest.",
  }),
  rpcsPerSecondMax: decimal({
    default: 50,
    min: 0.1,
    max: 100_000,
    unit: "/s",
    live: true,
    description:
      "Calls and token refreshes of a connection. 50 is more than a person's clicks cause, and less than a loop causes.",
  }),
  framesPerSecondMax: decimal({
    default: 1000,
    min: 1,
    max: 1_000_000,
    unit: "/s",
    live: true,
    description:
      "All frames of a connection together. With the burst, a returning client can send all its subscriptions at once.",
  }),
  publishedBytesPerSecondMax: bytes({
    default: MIB,
    min: 4 * KIB,
    max: 1024 * MIB,
    live: true,
    description:
      "Bytes of data that a connection publishes or is present with in a second, and 256 for each time. 1 MiB is sixteen publications of the largest size.",
  }),
  receivedBytesPerSecondMax: bytes({
    default: 2 * MIB,
    min: 4 * KIB,
    max: 1024 * MIB,
    live: true,
    description:
      "Bytes of messages of a connection in a second. If a client sends more, the node reads it later. 2 MiB hold twenty publications of the largest size as base64.",
  }),
  answeredBytesPerSecondMax: bytes({
    default: 4 * MIB,
    min: 4 * KIB,
    max: 4096 * MIB,
    live: true,
    description:
      "Bytes a second of the answers to a connection, and of what the node reads from the broker for it. At the limit its next requests wait. 4 MiB is more than most networks carry to a client.",
  }),
  burstFactor: decimal({
    default: 4,
    min: 1,
    max: 100,
    live: true,
    description:
      "How many seconds' worth of each rate a client may use at once. With 4, a client that was offline can send what it queued.",
  }),
  rpcsInFlightMax: integer({
    default: 32,
    min: 1,
    max: 10_000,
    live: true,
    description:
      "Unanswered calls of a connection. 32 is enough for a page that loads everything at once.",
  }),
  connectionsMax: integer({
    default: 10_000,
    min: 1,
    max: 1_000_000,
    description:
      "Connections of the node. The process's limit of open files must be higher. 10,000 need about 100 MB and drain in 20 s.",
  }),
  connectionsPerAddressMax: integer({
    default: 5000,
    min: 1,
    max: 1_000_000,
    live: true,
    description:
      "Connections from one address. The default is half a node. Sessions that come back from " +
      "other nodes may be more: as many as those nodes may have had. Behind a proxy that is not " +
      "in trustedProxies, all clients have the proxy's address, and a low limit would refuse " +
      "real users.",
  }),
  connectionsPerUserMax: integer({
    default: 100,
    min: 1,
    max: 1_000_000,
    live: true,
    description:
      "Connections of one user on the node. Sessions that come back may use the limits of all known nodes together. 100 is enough for many tabs and devices, and little for a thief of a token.",
  }),
  membersMax: integer({
    default: 2000,
    min: 1,
    max: 100_000,
    live: true,
    description:
      "Members of a channel's presence. Every watcher is told of every member. If a channel has more than 2,000, show a count instead.",
  }),
  presencePerConnectionMax: integer({
    default: 100,
    min: 0,
    max: 100_000,
    live: true,
    description:
      "Presence entries and watches of a connection. A session that comes back may enter this many channels at once: limits.publishesPerSecondMax does not count them. Few pages have 100 rooms.",
  }),
  handshakesInFlightMax: integer({
    default: 1000,
    min: 1,
    max: 100_000,
    live: true,
    description:
      "Connections whose first frame is not answered yet. Two seconds' worth of admission.handshakesPerSecond. If there are more, the address that has the most loses its oldest.",
  }),
  keptBytesPerUserMax: bytes({
    default: 256 * MIB,
    min: MIB,
    max: 1024 * 1024 * MIB,
    live: true,
    description:
      "What Redis may keep of one user, or of one address if it is anonymous: publications and " +
      "presence that clients of this node wrote. The embedded broker has shares of its own. 256 " +
      "MiB are ten minutes of 400 KiB a second.",
  }),
  nodeReceivedBytesPerSecondMax: bytes({
    default: 64 * MIB,
    min: 64 * KIB,
    max: 16_384 * MIB,
    live: true,
    description:
      "Bytes of messages that the node reads in a second. If clients send more, each user and address gets a share. 64 MiB fill a core.",
  }),
  nodeAnsweredBytesPerSecondMax: bytes({
    default: 256 * MIB,
    min: 64 * KIB,
    max: 16_384 * MIB,
    live: true,
    description:
      "Bytes of answers that the node sends in a second. If clients ask for more, each user and address gets a share. 256 MiB is more than most networks of a node carry.",
  }),
  nodePublishedBytesPerSecondMax: bytes({
    default: 32 * MIB,
    min: 64 * KIB,
    max: 16_384 * MIB,
    live: true,
    description:
      "Bytes that clients of the node publish in a second. If they publish more, each user and address gets a share. 32 MiB are 100,000 small publications.",
  }),
  nodeChannelsPerSecondMax: decimal({
    default: 5000,
    min: 1,
    max: 1_000_000,
    unit: "/s",
    live: true,
    description:
      "Channels that clients make the node open in a second. If they open more, each user and address gets a share. 5,000 are ten for each of 500 handshakes.",
  }),
  nodeProcessingMsPerSecondMax: decimal({
    default: 400,
    min: 1,
    max: 1000,
    live: true,
    description:
      "Milliseconds of each second that the node spends on large messages. If clients need more, each user and address gets a share. 400 leave more than half of a core for the rest.",
  }),
} as const;
