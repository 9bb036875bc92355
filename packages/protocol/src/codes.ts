// Owns: the one table of error and close codes. Numbers are never reused; spec/protocol.md and docs
// are compared with it.

/** What a client may do after the error: `never` repeat it, repeat it `now`, or with `backoff`. */
export type Retry = "never" | "now" | "backoff";

/**
 * One condition: its number on the wire, the close code if it ends the connection, and what to
 * do about it.
 */
export interface CodeRow {
  readonly number: number;
  /**
   * WebSocket close code when the condition ends the connection; absent for answers to a single
   * request. 4000-4499 and 1012: reconnect; 4500-4999: stop.
   */
  readonly close?: number;
  readonly retry: Retry;
  readonly meaning: string;
  readonly action: string;
}

const row = (
  number: number,
  retry: Retry,
  meaning: string,
  action: string,
  close?: number,
): CodeRow =>
  close === undefined
    ? { number, retry, meaning, action }
    : { number, close, retry, meaning, action };

/**
 * Every code that a peer may see, by name. 1xx end the connection, 2xx answer a request, 3xx come
 * from the client library itself.
 */
export const CODES = {
  internal: row(
    100,
    "backoff",
    "The node met a bug and gave the connection up.",
    "Reconnect; report the node's log line.",
    4000,
  ),
  try_later: row(
    101,
    "backoff",
    "The node is at its rate of handshakes, its connection limit, or overloaded; or it cannot check the token yet.",
    "Reconnect after retryMs.",
    4001,
  ),
  draining: row(
    102,
    "now",
    "The node is leaving and the session did not migrate in time.",
    "Reconnect within windowMs; another node answers.",
    1012,
  ),
  slow_consumer: row(
    103,
    "now",
    "The client read too slowly and its outbound queue reached its limit.",
    "Reconnect; positions recover what was missed.",
    4003,
  ),
  idle_timeout: row(
    104,
    "now",
    "Nothing was received from the client within the idle timeout.",
    "Reconnect; send pings at pingMs.",
    4004,
  ),
  token_expired: row(
    105,
    "now",
    "The token expired and was not refreshed.",
    "Reconnect with a fresh token.",
    4005,
  ),
  resume_rejected: row(
    106,
    "now",
    "The resume token was refused: unknown key, expired or revoked.",
    "Reconnect with a token and without the resume token.",
    4006,
  ),
  handshake_timeout: row(
    107,
    "backoff",
    "No connect frame arrived within the handshake timeout.",
    "Send connect first, at once.",
    4007,
  ),
  connection_limit: row(
    108,
    "backoff",
    "The address or the user has as many connections as it may have.",
    "Close one, or raise the limit.",
    4008,
  ),
  disconnected: row(
    109,
    "now",
    "An operator ended the connection; the client may come back.",
    "Reconnect.",
    4009,
  ),
  broker_lost: row(
    110,
    "backoff",
    "The node cannot reach its broker and gives its connections up.",
    "Reconnect; another node may answer.",
    4010,
  ),
  stream_broken: row(
    111,
    "now",
    "The client saw a hole in a stream that was not declared and starts afresh.",
    "None; sent by clients.",
    4011,
  ),
  flooded: row(
    112,
    "backoff",
    "The client kept sending far over its rate limits, or too many bytes of its user or address wait in the node.",
    "Reconnect; send less.",
    4012,
  ),

  session_replaced: row(
    150,
    "never",
    "A newer connection took the session over.",
    "None; another connection of this client is active.",
    4500,
  ),
  token_invalid: row(
    151,
    "never",
    "The token was refused: bad signature, issuer or audience, or it holds only later than in a minute.",
    "Get a valid token.",
    4501,
  ),
  unauthorized: row(
    152,
    "never",
    "The node wants a token and none was given.",
    "Connect with a token.",
    4502,
  ),
  frame_invalid: row(
    153,
    "never",
    "A frame broke the protocol.",
    "Fix the client; msg says what was found.",
    4503,
  ),
  frame_too_large: row(
    154,
    "never",
    "A message was larger than the frame limit.",
    "Send less at once.",
    4504,
  ),
  // 155 and 4505 were `flooded`, before it had 112: clients stopped for good.
  banned: row(156, "never", "An operator ended the session for good.", "None.", 4506),
  rejected_connect: row(
    157,
    "never",
    "The application's onConnect refused the session.",
    "See msg.",
    4507,
  ),
  version_unsupported: row(
    158,
    "never",
    "The subprotocol is not spoken here.",
    "Offer holdfast.v1 or holdfast.v1+msgpack.",
    4508,
  ),

  request_invalid: row(
    200,
    "never",
    "A request's members are wrong.",
    "Fix the request; path names the member.",
  ),
  channel_unknown: row(
    201,
    "never",
    "No channel pattern of the contract matches the name.",
    "Use a channel that the contract declares.",
  ),
  channel_invalid: row(
    202,
    "never",
    "The channel name is empty, too long or holds a control character.",
    "Use a valid name.",
  ),
  permission_denied: row(
    203,
    "never",
    "The session may not do this in this channel.",
    "Get a token with the capability.",
  ),
  payload_invalid: row(
    204,
    "never",
    "The data is none that every client can read, or does not match the schema.",
    "Fix the data; path names the field.",
  ),
  payload_too_large: row(205, "never", "The data is larger than the limit.", "Send less."),
  subscription_limit: row(
    206,
    "never",
    "The connection has as many subscriptions as it may have. Never, because only the client can change that.",
    "Unsubscribe from something first.",
  ),
  already_subscribed: row(207, "never", "The connection has this subscription.", "Keep it."),
  not_subscribed: row(
    208,
    "never",
    "The connection has no such subscription or watch.",
    "Subscribe first.",
  ),
  presence_disabled: row(
    209,
    "never",
    "The channel has no presence.",
    "Declare presence in the contract.",
  ),
  history_disabled: row(
    210,
    "never",
    "The channel keeps no history.",
    "Declare history in the contract.",
  ),
  key_required: row(211, "never", "A publication to a latest channel needs a key.", "Give a key."),
  rejected: row(212, "never", "A hook of the application refused the request.", "See msg."),
  rate_limited: row(
    213,
    "backoff",
    "The connection is over its rate limit, or its user or address over its share.",
    "Repeat after retryMs.",
  ),
  broker_unavailable: row(
    214,
    "backoff",
    "The broker did not confirm it: it may have been published all the same.",
    "Repeat with the same idempotency key.",
  ),
  rpc_unknown: row(
    215,
    "never",
    "The contract has no such RPC.",
    "Use one that the contract declares.",
  ),
  rpc_failed: row(216, "never", "The handler failed.", "See the node's log."),
  rpc_timeout: row(217, "backoff", "The handler did not answer in time.", "Repeat if it is safe."),
  rpc_cancelled: row(218, "never", "The caller cancelled the call.", "None."),
  rpc_limit: row(
    219,
    "backoff",
    "The connection has as many calls in flight as it may have.",
    "Wait for one to end.",
  ),
  not_entered: row(220, "never", "The session is not a member of the channel.", "Enter first."),
  presence_limit: row(
    221,
    "never",
    "The channel or the session has as many members or entries as it may have. Never, because that may last: the application is told.",
    "Leave something first, or ask again now and then: another member may leave.",
  ),
  request_failed: row(
    222,
    "backoff",
    "The node could not do it, for a reason of its own.",
    "Repeat; see the node's log.",
  ),
  broker_full: row(
    224,
    "backoff",
    "The broker has no room left; nothing was done.",
    "Repeat after retryMs; whoever runs the broker gives it room.",
  ),
  broker_busy: row(
    225,
    "backoff",
    "More calls wait for the broker than may; nothing was done.",
    "Repeat after retryMs.",
  ),
  broker_refused: row(
    226,
    "backoff",
    "The broker refused the node's account or a command; nothing was done.",
    "Repeat after retryMs; see the node's log.",
  ),
  subscription_ended: row(
    223,
    "never",
    "An operator or a changed token ended the subscription. Never, because it was ended on purpose.",
    "None; the application may subscribe again when its rights have changed.",
  ),
  order_refused: row(
    230,
    "never",
    "The node obeyed an order with a higher token.",
    "Give up: a newer order stands. Or order without a token.",
  ),
  node_ending: row(
    233,
    "never",
    "The node's process ends when it is drained: that drain cannot be undone.",
    "Wait for its replacement.",
  ),
  order_expired: row(
    231,
    "backoff",
    "The node did not answer in time. It will not carry the order out.",
    "Repeat.",
  ),
  order_unconfirmed: row(
    232,
    "backoff",
    "The node took the order and said no more: it may have been carried out.",
    "Look at the node's state; repeat.",
  ),

  closed: row(300, "never", "The client was closed by the application.", "Make a new client."),
  timeout: row(301, "backoff", "No answer came in time.", "Repeat; publishes are safe to repeat."),
  aborted: row(302, "never", "The caller's AbortSignal fired.", "None."),
  queue_full: row(
    303,
    "backoff",
    "The client's queue of unsent requests is at its limit.",
    "Wait until connected.",
  ),
  connection_lost: row(
    304,
    "backoff",
    "The connection was lost before the answer; the request may have been carried out.",
    "Repeat if it is safe.",
  ),
  not_connected: row(
    305,
    "backoff",
    "The request cannot wait for a connection and there is none.",
    "Wait until connected.",
  ),
} as const satisfies Record<string, CodeRow>;

/** The name of a code. Names are stable, so programs may compare them. */
export type CodeName = keyof typeof CODES;

/**
 * The name behind a number on the wire, or undefined for a number that this version does not know.
 */
export function codeName(number: number): CodeName | undefined {
  for (const name of Object.keys(CODES) as CodeName[])
    if (CODES[name].number === number) return name;
  return undefined;
}

/**
 * Whether a client may reconnect after a WebSocket close code: 4500-4999 mean stop, everything else
 * means reconnect.
 */
export const mayReconnect = (closeCode: number): boolean => closeCode < 4500 || closeCode > 4999;
