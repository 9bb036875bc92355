// Owns: the servers that are compared: their names, and how each is set up, in the words of the
// page.

export const RIVAL_NAMES = [
  "bun",
  "ws",
  "socketio",
  "holdfast",
  "socketio-redis",
  "holdfast-redis",
  "centrifugo",
] as const;
export type RivalName = (typeof RIVAL_NAMES)[number];

export interface RivalText {
  /** As in tables. */
  readonly title: string;
  /** What it is and how it is set up. */
  readonly setup: string;
}

export const RIVAL_TEXTS: Readonly<Record<RivalName, RivalText>> = {
  bun: {
    title: "bare Bun",
    setup:
      "`Bun.serve` with `server.publish`, nothing else: no sessions, no history, no permissions, no heartbeat. No compression, no idle timeout. The floor for whatever runs on Bun.",
  },
  ws: {
    title: "bare ws",
    setup:
      "`ws` on Node: a set of sockets for each topic and a `send` of the same bytes for each, as its documentation's example of a broadcast. No compression (its default), nothing else. The floor for whatever runs on Node.",
  },
  socketio: {
    title: "Socket.IO",
    setup:
      "Socket.IO on Node with its adapter in memory, as its documentation advises for production: WebSocket transport only, no compression, client files not served, the first HTTP request let go of (`socket.request = null`). Publishes are events that the server's code emits to a room, acknowledged. Connection state recovery is switched on for the recovery scenario alone (two minutes, middlewares skipped), because it costs memory and CPU elsewhere. A backlog of 4,096 (Node's default of 511 makes a crowd wait for repeats of TCP). `bufferutil`, an optional native addition, is not installed.",
  },
  holdfast: {
    title: "Holdfast",
    setup:
      "`holdfast serve` as it is shipped: metrics, limits, heartbeats, resume tokens; channels of class `ordered`, each publication with an offset, kept in a history of 1,000. Clients may come in without a token. Rate limits and admission are raised so far that they do not refuse the load: those of one address, publishes and frames a second of one connection, handshakes a second.",
  },
  "socketio-redis": {
    title: "Socket.IO over Redis",
    setup:
      "The same with `@socket.io/redis-streams-adapter`, which its documentation recommends where recovery is wanted, over the same Redis as Holdfast; `onlyPlaintext`, a stream that is never trimmed during a run.",
  },
  "holdfast-redis": {
    title: "Holdfast over Redis",
    setup:
      "The same with `broker.url`: offsets and history are kept in Redis, every publication passes through it.",
  },
  centrifugo: {
    title: "Centrifugo",
    setup:
      "Centrifugo with its engine in memory, its program built from its Go module (`go install github.com/centrifugal/centrifugo/v6@v6.9.1`). Channels with a history of 1,000 and recovery; clients without a token may connect, subscribe and publish; everything else as shipped. It speaks JSON here, as all do.",
  },
};
