// Owns: every number that the engine of a node obeys. packages/server/src/options has one option
// for each; units are in the names.

/** Settings of a running node. All can change while it runs unless said otherwise. */
export interface NodeSettings {
  /** Unique among running nodes; part of presence owners. Fixed. */
  readonly nodeId: string;
  /** Deployment version, for people and for choosing targets. Fixed. */
  readonly revision: string;
  readonly limits: {
    readonly messageBytesMax: number;
    readonly dataBytesMax: number;
    readonly subscriptionsMax: number;
    readonly channelLengthMax: number;
    /** Publishes and presence changes of a connection; bucket of one second's worth times burst. */
    readonly publishesPerSecondMax: number;
    /** Calls and token refreshes of a connection. */
    readonly rpcsPerSecondMax: number;
    /** All frames of a connection together. */
    readonly framesPerSecondMax: number;
    /** How many seconds' worth of a bucket may be used at once. */
    readonly burstFactor: number;
    /** Bytes of publications and presence data of a connection, 256 more for each. */
    readonly publishedBytesPerSecondMax: number;
    /** Bytes of messages of a connection. If it sends more, the node waits before it reads more. */
    readonly receivedBytesPerSecondMax: number;
    /**
     * Bytes of a connection's answers, and bytes that are read for them. If it asks for more, the
     * node waits as well.
     */
    readonly answeredBytesPerSecondMax: number;
    readonly rpcsInFlightMax: number;
    readonly connectionsMax: number;
    readonly connectionsPerAddressMax: number;
    readonly connectionsPerUserMax: number;
    /** Members of a channel. */
    readonly membersMax: number;
    /** Presence entries and watches of a connection. */
    readonly presencePerConnectionMax: number;
    readonly handshakesInFlightMax: number;
    /** What the broker may keep of one user or address, as far as this node's clients wrote it. */
    readonly keptBytesPerUserMax: number;
    /**
     * What all connections together may use in a second before users and addresses get a share
     * each.
     */
    readonly nodeReceivedBytesPerSecondMax: number;
    readonly nodeAnsweredBytesPerSecondMax: number;
    readonly nodePublishedBytesPerSecondMax: number;
    readonly nodeChannelsPerSecondMax: number;
    readonly nodeProcessingMsPerSecondMax: number;
  };
  readonly timeouts: {
    readonly handshakeMs: number;
    readonly idleMs: number;
    readonly pingMs: number;
    readonly rpcMs: number;
    /** How long a member whose connection was lost stays. */
    readonly presenceGraceMs: number;
    readonly presenceLeaseMs: number;
    /** Presence changes are gathered for this long. */
    readonly presenceCoalesceMs: number;
    readonly resumeTtlMs: number;
    /** How far apart the clocks of nodes and broker may be. */
    readonly clockSkewMs: number;
  };
  readonly flow: {
    /** Above this many unsent bytes a connection's subscriptions lag (their policy decides how). */
    readonly lagBytes: number;
    /** Above this many the connection is closed as slow_consumer. */
    readonly queueBytesMax: number;
    /** A connection that lags for longer is closed as slow_consumer. */
    readonly lagMsMax: number;
    /** A delivery or an answer that takes longer counts as slow. Nothing else follows from it. */
    readonly slowMs: number;
    /** Bytes of publications in one chunk of a recovery. */
    readonly chunkBytes: number;
    /** Channels with so many subscribers of one codec go through the transport's own fan-out. */
    readonly groupFrom: number;
  };
  readonly ring: {
    /** Recent publications kept by the node for each channel. */
    readonly publicationsMax: number;
    readonly bytesMax: number;
  };
  readonly admission: {
    /** Handshakes per second (A). */
    readonly handshakesPerSecond: number;
    /** Share of the handshakes per second that only resumes may use. */
    readonly resumeReserve: number;
    /** Least window that clients are told. */
    readonly windowMinMs: number;
  };
  readonly fleet: {
    /** How often a node tells the others about itself. */
    readonly figuresMs: number;
    /** A node that says nothing for this long is dead to the others. */
    readonly nodeLeaseMs: number;
    /**
     * If the event loop is later than this, the node takes fewer handshakes, and other nodes drain
     * more slowly.
     */
    readonly lagMsMax: number;
    /** How long a question to all nodes waits for answers. */
    readonly askMs: number;
    readonly rebalance: boolean;
    /** A node up to this share above the mean of sessions keeps them. */
    readonly rebalanceTolerance: number;
    /** A node less than this many sessions above the mean keeps them. */
    readonly rebalanceSessionsMin: number;
    readonly rebalancePerSecond: number;
    readonly rebalanceCooldownMs: number;
  };
  readonly drain: {
    /** Between "not ready" and the first goodbye. */
    readonly preDelayMs: number;
    /** From the first goodbye to the deadline. */
    readonly windowMs: number;
    /** Most sessions per second (r_max). */
    readonly perSecondMax: number;
  };
}
