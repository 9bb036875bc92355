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
    /** How many times a bucket's second may be used at once. */
    readonly burstFactor: number;
    /** Bytes of publications and presence data of a connection, 256 more for each. */
    readonly publishedBytesPerSecondMax: number;
    /** Bytes of messages of a connection; over it the node reads on later. */
    readonly receivedBytesPerSecondMax: number;
    /** Bytes that a connection is answered with, and that are read for it; likewise. */
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
  };
  readonly flow: {
    /** Above this many unsent bytes a connection's subscriptions lag (their policy decides how). */
    readonly lagBytes: number;
    /** Above this many the connection is closed as slow_consumer. */
    readonly queueBytesMax: number;
    /** A connection that lags for longer is closed as slow_consumer. */
    readonly lagMsMax: number;
    /** Bytes of publications in one chunk of a recovery. */
    readonly chunkBytes: number;
    /** Rooms with at least this many subscribers go through the transport's own fan-out. */
    readonly groupFrom: number;
  };
  readonly ring: {
    /** Recent publications kept by the node for each channel. */
    readonly publicationsMax: number;
    readonly bytesMax: number;
  };
  readonly admission: {
    /** A: set-ups per second. */
    readonly handshakesPerSecond: number;
    /** Share of A that only resumes may use. */
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
     * An event loop later than this: the node takes fewer set-ups, and drains towards it go slower.
     */
    readonly lagMsMax: number;
    /** How long a question to all nodes waits for answers. */
    readonly askMs: number;
    readonly rebalance: boolean;
    /** Share above the mean of sessions that is let be. */
    readonly rebalanceTolerance: number;
    /** Differences below this many sessions are let be. */
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
