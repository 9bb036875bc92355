// Owns: how a driver speaks to each server: its handshake, its subscribe request, and what an
// arriving message is.

export const PEERS = ["bun", "socketio", "holdfast"] as const;
export type Rival = (typeof PEERS)[number];

/**
 * What a message is to the driver: `ready` ends the handshake, `ack` answers a subscribe, a number
 * counts publications, `acknowledged` answers to publishes.
 */
export type Arrival =
  | "ready"
  | "ack"
  | "open"
  | "other"
  | number
  | { readonly acknowledged: number };

export interface Dialect {
  readonly path: string;
  readonly subprotocol?: string;
  /** Sent when the WebSocket is open. Absent: it is ready at once. */
  readonly hello?: string;
  /** Sent in answer to `open`. */
  readonly reply?: string;
  subscribe(channel: string): string;
  /** A publish of the driver's own; only if clients can publish. */
  publish?(channel: string, id: number, data: string): string;
  arrival(bytes: Uint8Array, from: number, to: number): Arrival;
}

const code = (text: string): number => text.charCodeAt(0);
const [ZERO, TWO, THREE, FOUR, LINE_FEED, OPEN, O, C, S, P, U, QUOTE] = [...'0234\n{ocspu"'].map(
  code,
);

/** Bare Bun: a message that begins with `{` is a publication; `ok` answers a subscribe. */
const bun: Dialect = {
  path: "/",
  subscribe: (channel) => channel,
  arrival: (bytes, from) => (bytes[from] === OPEN ? 1 : bytes[from] === O ? "ack" : "other"),
};

/**
 * Socket.IO 4 over Engine.IO 4: `0` open, `40` connected, `42[...]` event, `43[...]`
 * acknowledgement.
 */
const socketio: Dialect = {
  path: "/socket.io/?EIO=4&transport=websocket",
  reply: "40",
  subscribe: (channel) => `420${JSON.stringify(["subscribe", channel])}`,
  arrival: (bytes, from) => {
    if (bytes[from] === ZERO) return "open";
    if (bytes[from] !== FOUR) return "other";
    const second = bytes[from + 1];
    return second === TWO ? 1 : second === THREE ? "ack" : second === ZERO ? "ready" : "other";
  },
};

/**
 * holdfast.v1 in JSON: frames separated by line feeds; the type is the first member. A message
 * holds frames of one type here: links either subscribe or publish.
 */
const holdfast: Dialect = {
  path: "/connect",
  subprotocol: "holdfast.v1",
  hello: '{"t":"connect","id":1}',
  subscribe: (channel) => `{"t":"subscribe","id":2,"ch":${JSON.stringify(channel)}}`,
  publish: (channel, id, data) =>
    `{"t":"publish","id":${id},"ch":${JSON.stringify(channel)},"d":${data}}`,
  arrival: (bytes, from, to) => {
    const [letter, next] = [bytes[from + 6], bytes[from + 7]]; // {"t":"x
    if (letter === C) return "ready";
    if (letter === S) return "ack";
    if (letter !== P || next !== U) return "other";
    let count = 1;
    for (
      let at = bytes.indexOf(LINE_FEED ?? 0, from);
      at !== -1 && at < to;
      at = bytes.indexOf(LINE_FEED ?? 0, at + 1)
    )
      count++;
    return bytes[from + 9] === QUOTE ? count : { acknowledged: count }; // {"t":"pub" or {"t":"published"
  },
};

export const DIALECTS: Readonly<Record<Rival, Dialect>> = { bun, socketio, holdfast };
