// Generated from the node's OpenAPI document by `npm run generate`; a check compares the two.

/** What `publish` takes. Publish to one channel. */
export interface PublishInput {
  /** Name of a channel. */
  readonly channel: string;
  /** Only for channels of class `latest`: the key whose newest publication this becomes. */
  readonly key?: string;
  /**
   * The same key again within the broker's window publishes nothing and answers the first offset.
   */
  readonly idempotencyKey?: string;
  /** Author that subscribers are told. */
  readonly user?: string;
  /** Any JSON value. */
  readonly data?: unknown;
  /** Bytes, as base64, instead of `data`. */
  readonly b?: string;
}

/** What `publish` answers. */
export interface PublishOutput {
  /** Life of the stream; offsets of another epoch mean nothing. */
  readonly epoch: string;
  /** Position in the channel's stream, +1 for each publication. */
  readonly offset: number;
  /** True when the idempotency key was known: nothing was published now. */
  readonly duplicate: boolean;
}

/** What `broadcast` takes. Publish the same data to many channels. */
export interface BroadcastInput {
  readonly channels: readonly string[];
  /** Only for channels of class `latest`: the key whose newest publication this becomes. */
  readonly key?: string;
  /**
   * The same key again within the broker's window publishes nothing and answers the first offset.
   */
  readonly idempotencyKey?: string;
  /** Author that subscribers are told. */
  readonly user?: string;
  /** Any JSON value. */
  readonly data?: unknown;
  /** Bytes, as base64, instead of `data`. */
  readonly b?: string;
}

/** What `broadcast` answers. */
export interface BroadcastOutput {
  readonly results: readonly {
    readonly channel: string;
    readonly published?: {
      /** Life of the stream; offsets of another epoch mean nothing. */
      readonly epoch: string;
      /** Position in the channel's stream, +1 for each publication. */
      readonly offset: number;
      /** True when the idempotency key was known: nothing was published now. */
      readonly duplicate: boolean;
    };
    readonly error?: {
      /** Name of a code of the protocol. */
      readonly code: string;
      readonly message: string;
      readonly path?: string;
      readonly retryMs?: number;
    };
  }[];
}

/** What `history` takes. Read what a channel keeps, oldest first. */
export interface HistoryInput {
  /** Name of a channel. */
  readonly channel: string;
  /** Most entries to answer. Default 50. */
  readonly limit?: number;
  /** Answers publications with smaller offsets. */
  readonly before?: number;
}

/** What `history` answers. */
export interface HistoryOutput {
  /** Life of the stream; offsets of another epoch mean nothing. */
  readonly epoch: string;
  /** Position in the channel's stream, +1 for each publication. */
  readonly head: number;
  readonly more: boolean;
  readonly publications: readonly {
    /** Position in the channel's stream, +1 for each publication. */
    readonly offset: number;
    /** Milliseconds since 1970. */
    readonly timeMs: number;
    readonly key?: string;
    readonly user?: string;
    readonly session?: string;
    /** The data, where it is a JSON value. */
    readonly data?: unknown;
    /** The data, where it is bytes, as base64. */
    readonly b?: string;
    /** The data, where it is MessagePack that JSON cannot say, as base64. */
    readonly msgpack?: string;
  }[];
}

/** What `history_remove` takes. Remove what a channel keeps. */
export interface HistoryRemoveInput {
  /** Name of a channel. */
  readonly channel: string;
}

/** What `history_remove` answers. */
export interface HistoryRemoveOutput {
  /** Life of the stream; offsets of another epoch mean nothing. */
  readonly epoch: string;
  /** Position in the channel's stream, +1 for each publication. */
  readonly offset: number;
}

/** What `presence` takes. List a channel's members. */
export interface PresenceInput {
  /** Name of a channel. */
  readonly channel: string;
}

/** What `presence` answers. */
export interface PresenceOutput {
  readonly members: readonly {
    readonly session: string;
    readonly user?: string;
    /** The data, where it is a JSON value. */
    readonly data?: unknown;
    /** The data, where it is bytes, as base64. */
    readonly b?: string;
    /** The data, where it is MessagePack that JSON cannot say, as base64. */
    readonly msgpack?: string;
  }[];
}

/** What `channels` takes. List channels that have a subscriber or are kept, by name. */
export interface ChannelsInput {
  /** Only names that begin with it. */
  readonly prefix?: string;
  /** Answers entries after this one: `next` of the page before. */
  readonly after?: string;
  /** Most entries to answer. Default 100. */
  readonly limit?: number;
}

/** What `channels` answers. */
export interface ChannelsOutput {
  readonly channels: readonly string[];
  /** For `after`; absent on the last page. */
  readonly next?: string;
}

/** What `sessions` takes. List sessions of every node, by id. */
export interface SessionsInput {
  /** Claim `sub` of a session's token. */
  readonly user?: string;
  /** Answers entries after this one: `next` of the page before. */
  readonly after?: string;
  /** Most entries to answer. Default 100. */
  readonly limit?: number;
}

/** What `sessions` answers. */
export interface SessionsOutput {
  readonly sessions: readonly {
    /** Public id of a session. */
    readonly session: string;
    readonly node: string;
    readonly user?: string;
    readonly address: string;
    readonly codec: string;
    readonly client?: string;
    /** Milliseconds since 1970. */
    readonly connectedAtMs: number;
    readonly queueBytes: number;
    readonly channelCount: number;
    /** Names of at most 100 subscribed channels. */
    readonly channels: readonly string[];
  }[];
  /** For `after`; absent on the last page. */
  readonly next?: string;
  /** Nodes that did not answer. */
  readonly missing: readonly string[];
}

/** What `disconnect` takes. End the sessions of a user, or one session, on every node. */
export interface DisconnectInput {
  /** Claim `sub` of a session's token. */
  readonly user?: string;
  /** Public id of a session. */
  readonly session?: string;
  /**
   * False: code `banned`, clients stop, and their resume tokens are refused. Tokens of the
   * application are not: stop issuing them. Default true.
   */
  readonly reconnect?: boolean;
}

/** What `disconnect` answers. */
export type DisconnectOutput = Readonly<Record<string, never>>;

/**
 * What `unsubscribe` takes. End the subscriptions of a user, or of one session, to a channel, on
 * every node.
 */
export interface UnsubscribeInput {
  /** Claim `sub` of a session's token. */
  readonly user?: string;
  /** Public id of a session. */
  readonly session?: string;
  /** Name of a channel. */
  readonly channel: string;
}

/** What `unsubscribe` answers. */
export type UnsubscribeOutput = Readonly<Record<string, never>>;

/** What `rpc` takes. Call an RPC of the contract. */
export interface RpcInput {
  /** Name of the RPC. */
  readonly method: string;
  /** Any JSON value. */
  readonly data?: unknown;
  /** Bytes, as base64, instead of `data`. */
  readonly b?: string;
}

/** What `rpc` answers. */
export interface RpcOutput {
  /** The data, where it is a JSON value. */
  readonly data?: unknown;
  /** The data, where it is bytes, as base64. */
  readonly b?: string;
  /** The data, where it is MessagePack that JSON cannot say, as base64. */
  readonly msgpack?: string;
}

/** What `info` takes. Say what this node is and holds. */
export type InfoInput = Readonly<Record<string, never>>;

/** What `info` answers. */
export interface InfoOutput {
  readonly node: string;
  readonly revision: string;
  readonly state: "starting" | "ready" | "draining" | "stopped";
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly connections: number;
  readonly sessions: number;
  /**
   * Of the sessions' connections, those whose client cannot move: a drain closes them in their
   * turn.
   */
  readonly fixedSockets: number;
  /** Option `limits.connectionsMax`. */
  readonly connectionsMax: number;
  /** It has as many connections as it may have. */
  readonly isFull: boolean;
  readonly subscriptions: number;
  readonly channels: number;
  readonly queueBytes: number;
  readonly heldBytes: number;
  readonly windowMs: number;
  readonly handshakesPerSecond: number;
  /**
   * What clients felt since the node started. A connection-minute counts once for each signal.
   * Minutes begin with each connection.
   */
  readonly felt: {
    /** Minutes that connections with a session have lived, added up. */
    readonly connectionMinutes: number;
    /** Sessions that came back or moved here, or were rejected for good. */
    readonly resumes: number;
    /** Of those: not accepted as what they were. */
    readonly resumesFailed: number;
    /** Connection-minutes with a gap in an ordered or durable channel. */
    readonly lost: number;
    /** Connection-minutes with a delivery or an answer later than option `flow.slowMs`. */
    readonly slow: number;
    /** Connections that ended without a closing handshake, a bye or the node. */
    readonly closedAbnormally: number;
  };
  /** The highest token of an order that it obeyed; 0 if none had one. */
  readonly fence: number;
  readonly drain?: {
    readonly total: number;
    readonly remaining: number;
    readonly asked: number;
    readonly moved: number;
    readonly told: number;
    readonly cut: number;
    readonly deadlineInMs: number;
    /** Only nodes of this revision take the sessions until the deadline. */
    readonly toRevision?: string;
    /** Other nodes take those that find no place there. */
    readonly isPreferred?: boolean;
  };
  /** The order to give up some sessions that runs. */
  readonly shed?: {
    readonly keep: number;
    /** Sessions above `keep`. */
    readonly remaining: number;
    /** Asked to move, and still here. */
    readonly asked: number;
    readonly toRevision: string;
    readonly deadlineInMs: number;
  };
}

/** What `drain` takes. Start moving every session off this node. */
export interface DrainInput {
  /** From the first session's move to the deadline. */
  readonly windowMs?: number;
  /** Between not being ready and the first move. */
  readonly preDelayMs?: number;
  /**
   * Fencing: a node refuses an order with a lower token than the highest that it obeyed
   * (`order_refused`). Without a token an order neither asks for that nor changes it. The same
   * order with the same token again changes nothing.
   */
  readonly token?: number;
  /**
   * Until the window is over, only nodes of this revision take the sessions that move. If none of
   * them has a place, any node takes them in the last part of the window.
   */
  readonly toRevision?: string;
  /** A session that finds no place on `toRevision` may go to any node at once. */
  readonly isPreferred?: boolean;
}

/** What `drain` answers. */
export interface DrainOutput {
  readonly node: string;
  readonly revision: string;
  readonly state: "starting" | "ready" | "draining" | "stopped";
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly connections: number;
  readonly sessions: number;
  /**
   * Of the sessions' connections, those whose client cannot move: a drain closes them in their
   * turn.
   */
  readonly fixedSockets: number;
  /** Option `limits.connectionsMax`. */
  readonly connectionsMax: number;
  /** It has as many connections as it may have. */
  readonly isFull: boolean;
  readonly subscriptions: number;
  readonly channels: number;
  readonly queueBytes: number;
  readonly heldBytes: number;
  readonly windowMs: number;
  readonly handshakesPerSecond: number;
  /**
   * What clients felt since the node started. A connection-minute counts once for each signal.
   * Minutes begin with each connection.
   */
  readonly felt: {
    /** Minutes that connections with a session have lived, added up. */
    readonly connectionMinutes: number;
    /** Sessions that came back or moved here, or were rejected for good. */
    readonly resumes: number;
    /** Of those: not accepted as what they were. */
    readonly resumesFailed: number;
    /** Connection-minutes with a gap in an ordered or durable channel. */
    readonly lost: number;
    /** Connection-minutes with a delivery or an answer later than option `flow.slowMs`. */
    readonly slow: number;
    /** Connections that ended without a closing handshake, a bye or the node. */
    readonly closedAbnormally: number;
  };
  /** The highest token of an order that it obeyed; 0 if none had one. */
  readonly fence: number;
  readonly drain?: {
    readonly total: number;
    readonly remaining: number;
    readonly asked: number;
    readonly moved: number;
    readonly told: number;
    readonly cut: number;
    readonly deadlineInMs: number;
    /** Only nodes of this revision take the sessions until the deadline. */
    readonly toRevision?: string;
    /** Other nodes take those that find no place there. */
    readonly isPreferred?: boolean;
  };
  /** The order to give up some sessions that runs. */
  readonly shed?: {
    readonly keep: number;
    /** Sessions above `keep`. */
    readonly remaining: number;
    /** Asked to move, and still here. */
    readonly asked: number;
    readonly toRevision: string;
    readonly deadlineInMs: number;
  };
}

/** What `undrain` takes. End a drain or a shed; sessions that are here stay. */
export interface UndrainInput {
  /**
   * Fencing: a node refuses an order with a lower token than the highest that it obeyed
   * (`order_refused`). Without a token an order neither asks for that nor changes it. The same
   * order with the same token again changes nothing.
   */
  readonly token?: number;
}

/** What `undrain` answers. */
export interface UndrainOutput {
  /** False when there was neither, or the process ends behind its drain. */
  readonly undone: boolean;
}

/** What `shed` takes. Move sessions to nodes of a revision until so many are left. */
export interface ShedInput {
  /** Sessions that stay. Those that cannot move are among them. */
  readonly keep: number;
  /** Until the window is over, only nodes of this revision take sessions that move. */
  readonly toRevision: string;
  /** From the first session's move to the deadline. */
  readonly windowMs?: number;
  /**
   * Fencing: a node refuses an order with a lower token than the highest that it obeyed
   * (`order_refused`). Without a token an order neither asks for that nor changes it. The same
   * order with the same token again changes nothing.
   */
  readonly token?: number;
}

/** What `shed` answers. */
export interface ShedOutput {
  readonly node: string;
  readonly revision: string;
  readonly state: "starting" | "ready" | "draining" | "stopped";
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly connections: number;
  readonly sessions: number;
  /**
   * Of the sessions' connections, those whose client cannot move: a drain closes them in their
   * turn.
   */
  readonly fixedSockets: number;
  /** Option `limits.connectionsMax`. */
  readonly connectionsMax: number;
  /** It has as many connections as it may have. */
  readonly isFull: boolean;
  readonly subscriptions: number;
  readonly channels: number;
  readonly queueBytes: number;
  readonly heldBytes: number;
  readonly windowMs: number;
  readonly handshakesPerSecond: number;
  /**
   * What clients felt since the node started. A connection-minute counts once for each signal.
   * Minutes begin with each connection.
   */
  readonly felt: {
    /** Minutes that connections with a session have lived, added up. */
    readonly connectionMinutes: number;
    /** Sessions that came back or moved here, or were rejected for good. */
    readonly resumes: number;
    /** Of those: not accepted as what they were. */
    readonly resumesFailed: number;
    /** Connection-minutes with a gap in an ordered or durable channel. */
    readonly lost: number;
    /** Connection-minutes with a delivery or an answer later than option `flow.slowMs`. */
    readonly slow: number;
    /** Connections that ended without a closing handshake, a bye or the node. */
    readonly closedAbnormally: number;
  };
  /** The highest token of an order that it obeyed; 0 if none had one. */
  readonly fence: number;
  readonly drain?: {
    readonly total: number;
    readonly remaining: number;
    readonly asked: number;
    readonly moved: number;
    readonly told: number;
    readonly cut: number;
    readonly deadlineInMs: number;
    /** Only nodes of this revision take the sessions until the deadline. */
    readonly toRevision?: string;
    /** Other nodes take those that find no place there. */
    readonly isPreferred?: boolean;
  };
  /** The order to give up some sessions that runs. */
  readonly shed?: {
    readonly keep: number;
    /** Sessions above `keep`. */
    readonly remaining: number;
    /** Asked to move, and still here. */
    readonly asked: number;
    readonly toRevision: string;
    readonly deadlineInMs: number;
  };
}

/** What `nodes` takes. List the nodes of the cluster as this one knows them, itself included. */
export type NodesInput = Readonly<Record<string, never>>;

/** What `nodes` answers. */
export interface NodesOutput {
  readonly nodes: readonly {
    readonly node: string;
    readonly revision: string;
    readonly state: "starting" | "ready" | "draining" | "stopped";
    /** Milliseconds since 1970. */
    readonly startedAtMs: number;
    readonly connections: number;
    readonly sessions: number;
    /** Handshakes a second that it can take now (A), as measured. */
    readonly handshakesPerSecond: number;
    /** How late its event loop was lately. */
    readonly lagMs: number;
    readonly memoryBytes: number;
    readonly brokerOk: boolean;
    /**
     * Orders that the node obeyed, refused for their token, and gave in vain, since it started.
     * `fence`: the highest token that it obeyed.
     */
    readonly orders?: {
      readonly obeyed: number;
      readonly refused: number;
      readonly expired: number;
      readonly fence?: number;
    };
    readonly draining?: {
      readonly remaining: number;
      readonly deadlineInMs: number;
      /** Only nodes of this revision take the sessions until the deadline. */
      readonly toRevision?: string;
      /** Other nodes take those that find no place there. */
      readonly isPreferred?: boolean;
    };
    /** As `shed` in `info`. */
    readonly shedding?: {
      readonly remaining: number;
      readonly deadlineInMs: number;
      /** Only nodes of this revision take the sessions until the deadline. */
      readonly toRevision?: string;
      /** Other nodes take those that find no place there. */
      readonly isPreferred?: boolean;
    };
    /** It has as many connections as it may have. */
    readonly isFull?: boolean;
    /**
     * The odds that clients reach one node alone, as far as the node knows. From 10 on it takes
     * moving sessions at once.
     */
    readonly boundOdds?: number;
  }[];
}

/** What `node_drain` takes. Order a node of the cluster to move every session off itself. */
export interface NodeDrainInput {
  readonly node: string;
  /**
   * Fencing: a node refuses an order with a lower token than the highest that it obeyed
   * (`order_refused`). Without a token an order neither asks for that nor changes it. The same
   * order with the same token again changes nothing.
   */
  readonly token?: number;
  /** From the first session's move to the deadline. */
  readonly windowMs?: number;
  /** Between not being ready and the first move. */
  readonly preDelayMs?: number;
  /**
   * Until the window is over, only nodes of this revision take the sessions that move. If none of
   * them has a place, any node takes them in the last part of the window.
   */
  readonly toRevision?: string;
  /** A session that finds no place on `toRevision` may go to any node at once. */
  readonly isPreferred?: boolean;
}

/** What `node_drain` answers. */
export type NodeDrainOutput = Readonly<Record<string, never>>;

/** What `node_undrain` takes. Order a node of the cluster to end its drain. */
export interface NodeUndrainInput {
  readonly node: string;
  /**
   * Fencing: a node refuses an order with a lower token than the highest that it obeyed
   * (`order_refused`). Without a token an order neither asks for that nor changes it. The same
   * order with the same token again changes nothing.
   */
  readonly token?: number;
}

/** What `node_undrain` answers. */
export type NodeUndrainOutput = Readonly<Record<string, never>>;

/** What `history_stream` takes. Stream what a channel keeps, oldest first. */
export interface HistoryStreamInput {
  /** Name of a channel. */
  readonly channel: string;
  /** Sends what comes after this event: its `id`. Default: all that is kept. */
  readonly after?: string;
}

/** What `batch` takes. Carry out many commands, one after another. */
export interface BatchInput {
  readonly commands: readonly { readonly op: string }[];
}

/** What `batch` answers. */
export interface BatchOutput {
  readonly results: readonly {
    readonly ok: boolean;
    /** What the operation answers. */
    readonly value?: unknown;
    readonly error?: {
      /** Name of a code of the protocol. */
      readonly code: string;
      readonly message: string;
      readonly path?: string;
      readonly retryMs?: number;
    };
  }[];
}

/** What `ingest` takes. Publish events: one, or a batch. */
export type IngestInput = readonly {
  /** Name of a channel. */
  readonly channel: string;
  /** Only for channels of class `latest`: the key whose newest publication this becomes. */
  readonly key?: string;
  /**
   * The same key again within the broker's window publishes nothing and answers the first offset.
   */
  readonly idempotencyKey?: string;
  /** Any JSON value. */
  readonly data?: unknown;
  /** Bytes, as base64, instead of `data`. */
  readonly b?: string;
}[];

/** What `ingest` answers. */
export interface IngestOutput {
  /** Events that the broker has. */
  readonly accepted: number;
  readonly refused: number;
  readonly results: readonly {
    /** Place of the event in the request, from 0. */
    readonly index: number;
    readonly epoch?: string;
    /** Position in the channel's stream, +1 for each publication. */
    readonly offset?: number;
    readonly duplicate?: boolean;
    readonly error?: {
      /** Name of a code of the protocol. */
      readonly code: string;
      readonly message: string;
      readonly path?: string;
      readonly retryMs?: number;
    };
  }[];
}

/** Input and output of each operation. */
export interface Operations {
  readonly publish: { readonly input: PublishInput; readonly output: PublishOutput };
  readonly broadcast: { readonly input: BroadcastInput; readonly output: BroadcastOutput };
  readonly history: { readonly input: HistoryInput; readonly output: HistoryOutput };
  readonly history_remove: {
    readonly input: HistoryRemoveInput;
    readonly output: HistoryRemoveOutput;
  };
  readonly presence: { readonly input: PresenceInput; readonly output: PresenceOutput };
  readonly channels: { readonly input: ChannelsInput; readonly output: ChannelsOutput };
  readonly sessions: { readonly input: SessionsInput; readonly output: SessionsOutput };
  readonly disconnect: { readonly input: DisconnectInput; readonly output: DisconnectOutput };
  readonly unsubscribe: { readonly input: UnsubscribeInput; readonly output: UnsubscribeOutput };
  readonly rpc: { readonly input: RpcInput; readonly output: RpcOutput };
  readonly info: { readonly input: InfoInput; readonly output: InfoOutput };
  readonly drain: { readonly input: DrainInput; readonly output: DrainOutput };
  readonly undrain: { readonly input: UndrainInput; readonly output: UndrainOutput };
  readonly shed: { readonly input: ShedInput; readonly output: ShedOutput };
  readonly nodes: { readonly input: NodesInput; readonly output: NodesOutput };
  readonly node_drain: { readonly input: NodeDrainInput; readonly output: NodeDrainOutput };
  readonly node_undrain: { readonly input: NodeUndrainInput; readonly output: NodeUndrainOutput };
  readonly batch: { readonly input: BatchInput; readonly output: BatchOutput };
  readonly ingest: { readonly input: IngestInput; readonly output: IngestOutput };
}

/** How each operation is called, and whether a request may be repeated. */
export const OPERATIONS = {
  publish: { method: "POST", path: "/api/v1/publish", repeat: "keyed" },
  broadcast: { method: "POST", path: "/api/v1/broadcast", repeat: "keyed" },
  history: { method: "GET", path: "/api/v1/history", repeat: "always" },
  history_remove: { method: "POST", path: "/api/v1/history_remove", repeat: "refused" },
  presence: { method: "GET", path: "/api/v1/presence", repeat: "always" },
  channels: { method: "GET", path: "/api/v1/channels", repeat: "always" },
  sessions: { method: "GET", path: "/api/v1/sessions", repeat: "always" },
  disconnect: { method: "POST", path: "/api/v1/disconnect", repeat: "always" },
  unsubscribe: { method: "POST", path: "/api/v1/unsubscribe", repeat: "always" },
  rpc: { method: "POST", path: "/api/v1/rpc", repeat: "refused" },
  info: { method: "GET", path: "/api/v1/info", repeat: "always" },
  drain: { method: "POST", path: "/api/v1/drain", repeat: "always" },
  undrain: { method: "POST", path: "/api/v1/undrain", repeat: "always" },
  shed: { method: "POST", path: "/api/v1/shed", repeat: "always" },
  nodes: { method: "GET", path: "/api/v1/nodes", repeat: "always" },
  node_drain: { method: "POST", path: "/api/v1/nodes/drain", repeat: "always" },
  node_undrain: { method: "POST", path: "/api/v1/nodes/undrain", repeat: "always" },
  history_stream: { method: "GET", path: "/api/v1/history/stream", repeat: "always" },
  batch: { method: "POST", path: "/api/v1/batch", repeat: "keyed" },
  ingest: { method: "POST", path: "/api/v1/ingest", repeat: "keyed" },
} as const;

/** Codes after which the same request may succeed a little later. */
export const PASSING_CODES: ReadonlySet<string> = new Set([
  "broker_busy",
  "broker_full",
  "broker_lost",
  "broker_refused",
  "broker_unavailable",
  "draining",
  "internal",
  "order_expired",
  "order_unconfirmed",
  "rate_limited",
  "request_failed",
  "request_timeout",
  "rpc_limit",
  "rpc_timeout",
  "try_later",
]);
