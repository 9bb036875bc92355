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
      "`Bun.serve` with `server.publish`, and nothing else. It has no sessions, history, permissions or heartbeat, no compression and no idle timeout. It shows the least that any server on Bun costs.",
  },
  ws: {
    title: "bare ws",
    setup:
      "`ws` on Node. It has a set of sockets for each topic, and a `send` of the same bytes for each socket. The example of a broadcast in its documentation does the same. There is no compression (its default). It shows the least that any server on Node costs.",
  },
  socketio: {
    title: "Socket.IO",
    setup:
      "Socket.IO on Node with its adapter in memory, as its documentation advises for production. It has WebSocket transport only, no compression and no client files. It forgets the first HTTP request (`socket.request = null`). Publishes are events that the server's code emits to a room and acknowledges. Only the recovery scenario has connection state recovery (two minutes, middlewares skipped). Elsewhere it would cost memory and CPU. The backlog is 4,096. With Node's default of 511 many clients would wait until TCP repeats. `bufferutil`, an optional native addition, is not installed.",
  },
  holdfast: {
    title: "Holdfast",
    setup:
      "`holdfast serve` as it is shipped, with metrics, limits, heartbeats and resume tokens. Channels are of class `ordered`. Each publication has an offset and is kept in a history of 1,000. Clients without a token are accepted. Some limits are raised so that they do not refuse the load. They are connections of one address, publishes and frames a second of one connection, and handshakes a second.",
  },
  "socketio-redis": {
    title: "Socket.IO over Redis",
    setup:
      "The same with `@socket.io/redis-streams-adapter`, which its documentation recommends for recovery, over the same Redis as Holdfast. It has `onlyPlaintext`, and a stream that is not trimmed during a run.",
  },
  "holdfast-redis": {
    title: "Holdfast over Redis",
    setup:
      "The same with `broker.url`. Redis keeps offsets and history, and every publication passes through it.",
  },
  centrifugo: {
    title: "Centrifugo",
    setup:
      "Centrifugo with its engine in memory. Its program is built from its Go module (`go install github.com/centrifugal/centrifugo/v6@v6.9.1`). Channels have a history of 1,000 and recovery. Clients without a token may connect, subscribe and publish. Everything else is as shipped. It speaks JSON here, like the others.",
  },
};
