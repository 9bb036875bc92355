// Owns: the order and the fate of chat messages in one window: history, live, optimistic, gaps.
// Pure.

/** A publication that the room delivered. */
export interface ChatMessage {
  readonly kind: "message";
  readonly key: string;
  readonly offset: number;
  readonly atMs: number;
  readonly session: string;
  readonly name: string;
  readonly text: string;
}

/** Publications that will not come, at the place where they would have stood. */
export interface ChatGap {
  readonly kind: "gap";
  readonly key: string;
  readonly from: number;
  /** Null when it is unknown how many (the stream began anew). */
  readonly to: number | null;
  readonly reason: string;
}

/** A message of this window that the room has not delivered back yet. */
export interface Outgoing {
  readonly key: string;
  readonly text: string;
  /** `sent` has the offset: the broker has it. `failed` says why. */
  readonly fate:
    | { readonly state: "queued" }
    | { readonly state: "sent"; readonly offset: number }
    | { readonly state: "failed"; readonly why: string };
}

export interface ChatLog {
  readonly epoch: string;
  /** Oldest first. */
  readonly entries: readonly (ChatMessage | ChatGap)[];
  readonly outgoing: readonly Outgoing[];
}

/** Entries that a window keeps; the oldest go first. */
export const ENTRIES_MAX = 500;
/** Unsettled messages that a window keeps; above it sending is refused by the form. */
export const OUTGOING_MAX = 50;

export type ChatEvent =
  | {
      readonly kind: "received";
      readonly epoch: string;
      readonly message: Omit<ChatMessage, "kind" | "key">;
    }
  | {
      readonly kind: "older";
      readonly epoch: string;
      readonly messages: readonly Omit<ChatMessage, "kind" | "key">[];
    }
  | {
      readonly kind: "gap";
      readonly from: number;
      readonly to: number | null;
      readonly reason: string;
    }
  | { readonly kind: "queued"; readonly key: string; readonly text: string }
  | { readonly kind: "sent"; readonly key: string; readonly offset: number; readonly epoch: string }
  | { readonly kind: "failed"; readonly key: string; readonly why: string }
  | { readonly kind: "dropped"; readonly key: string };

export const emptyChat: ChatLog = { epoch: "", entries: [], outgoing: [] };

/**
 * The log after an event. A message that was sent moves from `outgoing` to `entries` when the room
 * delivers its offset, in whichever order the two arrive.
 */
export function reduceChat(log: ChatLog, event: ChatEvent): ChatLog {
  switch (event.kind) {
    case "received":
      return received(log, event.epoch, event.message);
    case "older":
      return older(log, event.epoch, event.messages);
    case "gap":
      return { ...log, entries: keepNewest([...log.entries, gapEntry(event)]) };
    case "queued":
      return {
        ...log,
        outgoing: [
          ...without(log.outgoing, event.key),
          { key: event.key, text: event.text, fate: { state: "queued" } },
        ],
      };
    case "sent":
      return sent(log, event);
    case "failed":
      return {
        ...log,
        outgoing: log.outgoing.map((o) =>
          o.key === event.key ? { ...o, fate: { state: "failed", why: event.why } } : o,
        ),
      };
    case "dropped":
      return { ...log, outgoing: without(log.outgoing, event.key) };
    default:
      return event satisfies never;
  }
}

/**
 * Offset of the oldest message of the current epoch, to ask for older ones; undefined when there is
 * none or no room for more.
 */
export function oldestOffset(log: ChatLog): number | undefined {
  if (log.entries.length >= ENTRIES_MAX) return undefined;
  const oldest = log.entries[firstOf(log, log.epoch)];
  return oldest?.kind === "message" ? oldest.offset : undefined;
}

function received(
  log: ChatLog,
  epoch: string,
  message: Omit<ChatMessage, "kind" | "key">,
): ChatLog {
  if (has(log, epoch, message.offset)) return log;
  return {
    epoch,
    entries: keepNewest([...log.entries, messageEntry(epoch, message)]),
    outgoing: log.outgoing.filter(
      (o) => !(o.fate.state === "sent" && o.fate.offset === message.offset),
    ),
  };
}

function older(
  log: ChatLog,
  epoch: string,
  messages: readonly Omit<ChatMessage, "kind" | "key">[],
): ChatLog {
  if (log.epoch !== "" && epoch !== log.epoch) return log;
  const fresh = messages
    .filter((m) => !has(log, epoch, m.offset))
    .map((m) => messageEntry(epoch, m));
  const at = Math.max(0, firstOf(log, epoch));
  return {
    ...log,
    epoch,
    entries: keepNewest([...log.entries.slice(0, at), ...fresh, ...log.entries.slice(at)]),
  };
}

function sent(log: ChatLog, event: Extract<ChatEvent, { kind: "sent" }>): ChatLog {
  if (has(log, event.epoch, event.offset))
    return { ...log, outgoing: without(log.outgoing, event.key) };
  return {
    ...log,
    outgoing: log.outgoing.map((o) =>
      o.key === event.key ? { ...o, fate: { state: "sent", offset: event.offset } } : o,
    ),
  };
}

/** The index of the first message of an epoch, -1 if there is none. */
function firstOf(log: ChatLog, epoch: string): number {
  return log.entries.findIndex((entry) => entry.key.startsWith(`${epoch}:`));
}

function has(log: ChatLog, epoch: string, offset: number): boolean {
  const key = `${epoch}:${offset}`;
  return log.entries.some((entry) => entry.key === key);
}

function messageEntry(epoch: string, message: Omit<ChatMessage, "kind" | "key">): ChatMessage {
  return { ...message, kind: "message", key: `${epoch}:${message.offset}` };
}

function gapEntry(gap: Omit<ChatGap, "kind" | "key">): ChatGap {
  return {
    kind: "gap",
    key: `gap:${gap.from}:${gap.to ?? "?"}`,
    from: gap.from,
    to: gap.to,
    reason: gap.reason,
  };
}

function without(outgoing: readonly Outgoing[], key: string): readonly Outgoing[] {
  return outgoing.filter((o) => o.key !== key);
}

function keepNewest<T>(entries: readonly T[]): readonly T[] {
  return entries.length > ENTRIES_MAX ? entries.slice(-ENTRIES_MAX) : entries;
}
