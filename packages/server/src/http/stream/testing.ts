// Owns: channels whose pages are made when they are read, and readers over real sockets, for tests
// of streams.
import { connect, type Socket } from "node:net";
import type { ChannelPage, NodeControl } from "@holdfast/core";
import { API_BASE } from "../routes/index.ts";
import { control, keyOf, readerOf } from "../testing.ts";

type Query = Parameters<NodeControl["history"]>[1];
type Outcome = Awaited<ReturnType<NodeControl["history"]>>;

export interface Channel {
  readonly head: number;
  readonly pageSize?: number;
  readonly text?: string;
  /** Instead of a page, as the broker might answer. */
  readonly instead?: (after: number) => Promise<Outcome | undefined> | Outcome | undefined;
  readonly more?: Partial<ChannelPage>;
  readonly oldest?: number;
}

/** A channel of publications 1 to `head`; `reads` has the offset behind which each page began. */
export function channelOf(channel: Channel) {
  const { head, pageSize = 2, text = "x", oldest = 1 } = channel;
  const reads: number[] = [];
  const history = async (_channel: string, query: Query): Promise<Outcome> => {
    const after = "after" in query ? query.after : 0;
    reads.push(after);
    const instead = await channel.instead?.(after);
    if (instead !== undefined) return instead;
    const first = Math.max(after + 1, oldest);
    const last = Math.min(first + pageSize - 1, head);
    const publications = Array.from({ length: Math.max(0, last - first + 1) }, (_, at) => ({
      offset: first + at,
      timeMs: 1,
      payload: { kind: "json" as const, text: JSON.stringify(text) },
    }));
    const page = { epoch: "e", head, oldest, more: last < head, publications };
    return { ok: true, value: { ...page, deliveryClass: "ordered", ...channel.more } };
  };
  const openHistory: NodeControl["openHistory"] = async (name) => ({
    ok: true,
    value: readerOf(name, history),
  });
  return { reads, control: { ...control, history, openHistory } };
}

export const urlOf = (port: number, query: string): string =>
  `http://127.0.0.1:${port}${API_BASE}/history/stream?${query}`;

export const withKey = (name = "all"): Record<string, string> => ({
  authorization: `Bearer ${keyOf(name)}`,
});

/** A reader that takes nothing until it is told to. */
export async function stalledReader(port: number, query: string) {
  const socket: Socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  const closed = new Promise<string>((resolve) => {
    socket.on("close", () => resolve(Buffer.concat(chunks).toString()));
  });
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.pause();
  socket.write(
    `GET ${API_BASE}/history/stream?${query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n` +
      `Authorization: Bearer ${keyOf("all")}\r\n\r\n`,
  );
  return {
    closed,
    resume: () => {
      socket.on("data", (chunk) => void chunks.push(chunk));
      socket.resume();
    },
    leave: () => void socket.destroy(),
  };
}

interface Line {
  readonly event: string;
  readonly id?: string;
  readonly data: Record<string, unknown>;
}

export const linesOf = (text: string): readonly Line[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
