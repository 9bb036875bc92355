// Owns: a small node on a real socket with just enough of the protocol for tests of the shell and
// the React hooks.
import type { Wire } from "./scripted-node.ts";

export interface NodeLike extends AsyncDisposable {
  readonly url: string;
  /** What clients asked for, as `type channel`. */
  readonly log: string[];
  /** Subscriptions that stand. */
  live(channel: string): number;
  publish(channel: string, offset: number, key?: string): void;
  /** From now on these requests (`subscribe a`) are refused with this code, until they are not. */
  readonly refusals: Map<string, { readonly code: number; readonly name: string }>;
  /** Ends every connection. */
  drop(): void;
  /** Sends any frame to everybody. */
  send(frame: Wire): void;
}

/**
 * Every channel has publications 1 to 5 and is `ordered`, but for `latest`, which is. RPC `echo`
 * answers its input unless that is "never".
 */
export function createNodeLike(): NodeLike {
  const log: string[] = [];
  const subscribed = new Map<string, number>();
  const sockets = new Set<Bun.ServerWebSocket>();
  const entry = (o: number) => ({ o, ts: 1, k: `k${o}`, d: o });
  const refusals: NodeLike["refusals"] = new Map();
  let member: unknown;
  const answers = (
    frame: Record<string, unknown> & { t?: string; id?: number; ch?: string },
  ): Wire[] => {
    const { id, ch = "" } = frame;
    if (frame.t !== "ping") log.push(`${frame.t} ${ch}`.trim());
    const refusal = refusals.get(`${frame.t} ${ch}`);
    if (refusal) return [{ t: "err", id, msg: "", ...refusal }];
    switch (frame.t) {
      case "connect":
        return [
          {
            t: "connected",
            id,
            session: "s1",
            node: "n",
            resumed: false,
            resume: "r",
            pingMs: 25_000,
            windowMs: 0,
            messageBytesMax: 65_536,
            time: 0,
          },
        ];
      case "subscribe":
        subscribed.set(ch, (subscribed.get(ch) ?? 0) + 1);
        return [
          {
            t: "subscribed",
            id,
            ch,
            cls: ch === "latest" ? "latest" : "ordered",
            pos: { epoch: "e", offset: 5 },
            head: 5,
            recovered: false,
          },
        ];
      case "unsubscribe":
        subscribed.set(ch, (subscribed.get(ch) ?? 0) - 1);
        return [{ t: "ok", id }];
      case "history":
        return [
          {
            t: "history",
            id,
            ch,
            e: "e",
            pubs: [1, 2, 3, 4, 5].slice(-Number(frame.limit ?? 50)).map(entry),
            more: false,
          },
        ];
      case "enter":
      case "update":
        member = frame.d;
        return [{ t: "ok", id }, ...(log.includes(`watch ${ch}`) ? [presence(ch)] : [])];
      case "watch":
        return [
          {
            t: "members",
            ch,
            list: member === undefined ? [] : [{ m: "s1", d: member }],
            more: false,
          },
          { t: "ok", id },
        ];
      case "rpc":
        return frame.d === "never" ? [] : [{ t: "ok", id, d: frame.d }];
      case "ping":
        return [{ t: "pong", id, time: 0, windowMs: 0 }];
      case "report":
      case "bye":
      case "cancel":
        return [];
      default:
        return [{ t: "ok", id }];
    }
  };
  const presence = (ch: string): Wire => ({
    t: "presence",
    ch,
    join: [{ m: "s1", d: member }],
    update: [],
    leave: [],
  });
  const send = (frame: Wire) => {
    for (const socket of sockets) socket.send(JSON.stringify(frame));
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, server) =>
      server.upgrade(request, { headers: { "Sec-WebSocket-Protocol": "holdfast.v1" } })
        ? undefined
        : new Response(null, { status: 400 }),
    websocket: {
      open: (socket) => void sockets.add(socket),
      close: (socket) => {
        sockets.delete(socket);
        subscribed.clear();
      },
      message: (socket, message) => {
        for (const line of String(message).split("\n"))
          for (const frame of answers(JSON.parse(line))) socket.send(JSON.stringify(frame));
      },
    },
  });
  return {
    url: `ws://127.0.0.1:${server.port}/connect`,
    log,
    live: (channel) => subscribed.get(channel) ?? 0,
    publish: (ch, o, k) =>
      send({ t: "pub", ch, o, ts: 1, d: o, ...(k === undefined ? {} : { k }) }),
    send,
    refusals,
    drop: () => {
      for (const socket of sockets) socket.close(1012);
    },
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}
