// Owns: the chat room as this window sees it: messages, sending, members.
import type { Message } from "@holdfast/client";
import { useHoldfast } from "@holdfast/client/react";
import { useCallback, useEffect, useReducer, useState } from "react";
import type { DemoContract } from "../contract.ts";
import { ROOM } from "../names.ts";
import { type ChatLog, emptyChat, type Outgoing, oldestOffset, reduceChat } from "./chat-log.ts";
import { errorText } from "./error-text.ts";

/** Messages shown when a window joins, and added by each "older". */
const PAGE_LENGTH = 50;

export interface Room {
  readonly log: ChatLog;
  readonly hasOlder: boolean;
  readonly loadOlder: () => void;
  readonly send: (text: string) => void;
  readonly retry: (outgoing: Outgoing) => void;
  readonly drop: (outgoing: Outgoing) => void;
}

/** Subscribes with the newest messages, so that history and live messages join without a seam. */
export function useRoom(name: string): Room {
  const client = useHoldfast<DemoContract>();
  const [log, dispatch] = useReducer(reduceChat, emptyChat);
  const [hasOlder, setHasOlder] = useState(true);
  useEffect(() => {
    const subscription = client
      .channel(ROOM)
      .subscribe(
        (message) =>
          dispatch({ kind: "received", epoch: message.epoch, message: entryOf(message) }),
        { last: PAGE_LENGTH },
      );
    subscription.on("gap", ({ from, to, reason }) => dispatch({ kind: "gap", from, to, reason }));
    return () => subscription.unsubscribe();
  }, [client]);

  const publish = useCallback(
    (key: string, text: string) => {
      dispatch({ kind: "queued", key, text });
      client
        .channel(ROOM)
        .publish({ name, text }, { idempotencyKey: key })
        .then(
          ({ offset, epoch }) => dispatch({ kind: "sent", key, offset, epoch }),
          (error: unknown) => dispatch({ kind: "failed", key, why: errorText(error) }),
        );
    },
    [client, name],
  );

  const oldest = oldestOffset(log);
  const loadOlder = useCallback(() => {
    client
      .channel(ROOM)
      .history({ limit: PAGE_LENGTH, ...(oldest === undefined ? {} : { before: oldest }) })
      .then(
        (page) => {
          setHasOlder(page.more);
          dispatch({ kind: "older", epoch: page.epoch, messages: page.messages.map(entryOf) });
        },
        () => setHasOlder(true),
      );
  }, [client, oldest]);

  return {
    log,
    hasOlder: hasOlder && oldest !== undefined && oldest > 1,
    loadOlder,
    send: useCallback((text: string) => publish(crypto.randomUUID(), text), [publish]),
    // The same idempotency key: should the first attempt have arrived after all, this one publishes
    // nothing.
    retry: useCallback((outgoing: Outgoing) => publish(outgoing.key, outgoing.text), [publish]),
    drop: useCallback((outgoing: Outgoing) => dispatch({ kind: "dropped", key: outgoing.key }), []),
  };
}

function entryOf(message: Message<{ readonly name: string; readonly text: string }>) {
  const { offset, timeMs, session, data } = message;
  return { offset, atMs: timeMs, session: session ?? "", name: data.name, text: data.text };
}
