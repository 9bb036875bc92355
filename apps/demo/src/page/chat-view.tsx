// Owns: the look of the chat room: who is here, what was said, and the field to say something.
import { type FormEvent, type KeyboardEvent, useEffect, useRef, useState } from "react";
import { NAME_LENGTH_MAX, TEXT_LENGTH_MAX } from "../names.ts";
import {
  type ChatGap,
  type ChatLog,
  type ChatMessage,
  OUTGOING_MAX,
  type Outgoing,
} from "./chat-log.ts";
import { FlagMark } from "./flag-mark.tsx";
import { tidyName } from "./person.ts";

export interface Member {
  readonly session: string;
  readonly name: string;
}

/** Who is here: own name first, editable. */
export function People(props: {
  readonly members: readonly Member[];
  readonly own: string | undefined;
  readonly name: string;
  readonly onRename: (name: string) => void;
}) {
  const others = props.members.filter((member) => member.session !== props.own);
  return (
    <div className="people">
      <OwnName name={props.name} session={props.own} onRename={props.onRename} />
      <ul aria-label="Who is here" data-testid="people">
        <li className="own">
          <FlagMark session={props.own ?? ""} />
          <span>{props.name}</span> <small>you</small>
        </li>
        {others.map((member) => (
          <li key={member.session}>
            <FlagMark session={member.session} />
            <span>{member.name}</span> <small>{member.session.slice(-4)}</small>
          </li>
        ))}
      </ul>
    </div>
  );
}

function OwnName(props: {
  readonly name: string;
  readonly session: string | undefined;
  readonly onRename: (name: string) => void;
}) {
  const [draft, setDraft] = useState(props.name);
  const commit = () => {
    const name = tidyName(draft);
    if (name === "") setDraft(props.name);
    else if (name !== props.name) props.onRename(name);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    commit();
  };
  return (
    <form onSubmit={submit} className="own-name">
      <label>
        <span>Your name</span>
        <input
          value={draft}
          maxLength={NAME_LENGTH_MAX}
          autoComplete="off"
          onChange={(e) => setDraft(e.target.value)}
          onBlur={commit}
          data-testid="name"
        />
      </label>
    </form>
  );
}

export interface ConversationProps {
  readonly log: ChatLog;
  readonly own: string | undefined;
  readonly hasOlder: boolean;
  readonly onOlder: () => void;
  readonly onSend: (text: string) => void;
  readonly onRetry: (outgoing: Outgoing) => void;
  readonly onDrop: (outgoing: Outgoing) => void;
}

/**
 * The conversation and the field below it. Stays at the newest message unless the reader scrolled
 * up.
 */
export function Conversation(props: ConversationProps) {
  const { log } = props;
  const list = useRef<HTMLDivElement>(null);
  const stick = useRef(true);
  const newest = `${log.entries.at(-1)?.key ?? ""}|${log.outgoing.length}`;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last entry is what asks for the scroll
  useEffect(() => {
    if (stick.current && list.current) list.current.scrollTop = list.current.scrollHeight;
  }, [newest]);
  const onScroll = () => {
    const element = list.current;
    if (element)
      stick.current = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
  };
  return (
    <>
      <div
        className="log"
        ref={list}
        onScroll={onScroll}
        role="log"
        aria-label="Messages"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region needs the keyboard
        tabIndex={0}
        data-testid="log"
      >
        {props.hasOlder && (
          <button type="button" className="quiet older" onClick={props.onOlder}>
            Show older messages
          </button>
        )}
        {log.entries.length === 0 && log.outgoing.length === 0 && (
          <p className="empty">
            Nothing was said yet. Say something, then look at it from a second window.
          </p>
        )}
        <ol>
          {log.entries.map((entry) =>
            entry.kind === "gap" ? (
              <GapRow key={entry.key} gap={entry} />
            ) : (
              <MessageRow key={entry.key} message={entry} own={entry.session === props.own} />
            ),
          )}
          {log.outgoing.map((outgoing) => (
            <OutgoingRow
              key={outgoing.key}
              outgoing={outgoing}
              onRetry={props.onRetry}
              onDrop={props.onDrop}
            />
          ))}
        </ol>
      </div>
      <Composer full={log.outgoing.length >= OUTGOING_MAX} onSend={props.onSend} />
    </>
  );
}

function MessageRow({ message, own }: { readonly message: ChatMessage; readonly own: boolean }) {
  return (
    <li className="said" data-own={own} data-offset={message.offset}>
      <FlagMark session={message.session} />
      <p>
        <b>{message.name}</b>{" "}
        <time dateTime={new Date(message.atMs).toISOString()}>{clock(message.atMs)}</time>
        <br />
        {message.text}
      </p>
      <span className="offset" title={`offset ${message.offset} in this channel`}>
        {message.offset}
      </span>
    </li>
  );
}

function OutgoingRow(props: {
  readonly outgoing: Outgoing;
  readonly onRetry: (o: Outgoing) => void;
  readonly onDrop: (o: Outgoing) => void;
}) {
  const { outgoing } = props;
  const { fate } = outgoing;
  return (
    <li className="said outgoing" data-own data-state={fate.state}>
      <span className="flag" />
      <p>
        {outgoing.text}
        {fate.state === "failed" && (
          <span className="fate" role="alert">
            Not sent: {fate.why}{" "}
            <button type="button" className="link" onClick={() => props.onRetry(outgoing)}>
              Send again
            </button>{" "}
            <button type="button" className="link" onClick={() => props.onDrop(outgoing)}>
              Discard
            </button>
          </span>
        )}
      </p>
      <span className="offset">{fate.state === "sent" ? fate.offset : fate.state}</span>
    </li>
  );
}

const GAP_REASONS: Readonly<Record<string, string>> = {
  history: "they are no longer kept",
  epoch: "the channel began anew",
  dropped: "they were dropped under pressure",
};

function GapRow({ gap }: { readonly gap: ChatGap }) {
  const count =
    gap.to === null
      ? "Earlier messages"
      : gap.to === gap.from
        ? `Message ${gap.from}`
        : `Messages ${gap.from} to ${gap.to}`;
  return (
    <li className="gap">
      {count} will not come: {GAP_REASONS[gap.reason] ?? gap.reason}.
    </li>
  );
}

function Composer(props: { readonly full: boolean; readonly onSend: (text: string) => void }) {
  const [text, setText] = useState("");
  const send = () => {
    if (props.full || text.trim() === "") return;
    props.onSend(text.trim());
    setText("");
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    send();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form className="composer" onSubmit={submit}>
      <label>
        <span className="unseen">Message</span>
        <textarea
          rows={1}
          value={text}
          maxLength={TEXT_LENGTH_MAX}
          placeholder="Message"
          onChange={(e) => setText(e.target.value)}
          onKeyDown={onKeyDown}
          data-testid="message"
        />
      </label>
      <button type="submit" disabled={props.full}>
        Send
      </button>
    </form>
  );
}

function clock(atMs: number): string {
  return new Date(atMs).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
  });
}
