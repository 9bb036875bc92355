// Owns: which requests only give something back. They are never refused because of a rate, or
// because others wait: a refusal would keep what they would free.
import type { ClientFrame } from "@holdfast/protocol";
import type { Item } from "../door.ts";
import type { Connection } from "./connection.ts";

export type ReliefFrame = Extract<
  ClientFrame,
  { t: "unsubscribe" | "unwatch" | "leave" | "cancel" }
>;

export const isRelief = (item: Item): item is ReliefFrame =>
  item.t === "unsubscribe" || item.t === "unwatch" || item.t === "leave" || item.t === "cancel";

/**
 * Whether the connection has what the request gives back. Such requests cost nothing: what they end
 * was counted when it began.
 */
export function gives(connection: Connection, frame: ReliefFrame): boolean {
  switch (frame.t) {
    case "unsubscribe":
      return connection.subscriptions?.has(frame.ch) ?? false;
    case "unwatch":
      return connection.watches?.has(frame.ch) ?? false;
    case "leave":
      return connection.entries?.has(frame.ch) ?? false;
    case "cancel":
      return connection.calls?.has(frame.id) ?? false;
  }
}
