// Owns: the profile of GraphQL over WebSocket, subprotocol graphql-transport-ws
// (https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md).
import { bytesOf, type Frame } from "../frame.ts";
import type { Profile, ProfileOut, ProfileSession, Saved } from "../profile.ts";
import { Read } from "./match.ts";

export interface GraphqlRules {
  /**
   * What a live subscription hears of a move. `continue`: it is subscribed again, and events that
   * were published in between are missing. `error`: it ends with an error, so that the application
   * fetches anew and subscribes. Default `continue`.
   */
  readonly subscriptions?: "continue" | "error";
}

type Operation = "query" | "mutation" | "subscription";

interface Live {
  readonly frame: Frame;
  readonly operation: Operation;
  /** What the client has of the result of a query or a mutation. It must not come twice. */
  has: "nothing" | "a part" | "all";
}

const MOVED = "The server was replaced. Nobody knows whether it did this.";
const MISSED = "The server was replaced. Events may be missing.";
const CUT = "The server was replaced. The rest of the result is missing.";

/**
 * `connection_init` is replayed and its ack swallowed. Queries in flight and live subscriptions are
 * sent again; what the client completed is not. A mutation is never sent twice: a move waits for
 * its result, and if it does not come, the client gets an error for it. If a server dies between a
 * result and its end, the client gets the end. Holes: events that were published between the two
 * servers.
 */
export function graphqlTransportWs(rules: GraphqlRules = {}): Profile {
  return {
    ...{ name: "graphql-transport-ws", rehomes: true, quietMs: 0 },
    create: (out) => new Graphql(rules, out),
    restore(out, saved) {
      const session = new Graphql(rules, out);
      session.restore(saved);
      return session;
    },
  };
}

class Graphql implements ProfileSession {
  readonly #out: ProfileOut;
  readonly #onMove: "continue" | "error";
  readonly #live = new Map<string, Live>();
  #init: Frame | undefined;
  #bytes = 0;
  /** Queries and mutations without an answer. */
  #pending = 0;

  constructor({ subscriptions = "continue" }: GraphqlRules, out: ProfileOut) {
    this.#out = out;
    this.#onMove = subscriptions;
  }

  get isQuiet(): boolean {
    return this.#pending === 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  fromClient(frame: Frame): void {
    this.#note(frame);
    this.#out.toUpstream(frame);
  }

  save(): Saved {
    const live = [...this.#live.values()].map(({ frame }) => frame);
    return this.#init === undefined ? live : [this.#init, ...live];
  }

  restore(saved: Saved): void {
    for (const frame of saved) this.#note(frame);
  }

  #note(frame: Frame): void {
    const message = messageOf(frame);
    if (message.type === "connection_init" && this.#init === undefined) {
      this.#init = frame;
      this.#bytes += bytesOf(frame);
    } else if (message.type === "subscribe" && message.id !== undefined) {
      this.#forget(message.id);
      const operation = operationOf(message.payload);
      const live: Live = { frame, operation, has: "nothing" };
      this.#live.set(message.id, live);
      this.#bytes += bytesOf(frame);
      if (live.operation !== "subscription") this.#pending += 1;
    } else if (message.type === "complete" && message.id !== undefined) this.#forget(message.id);
  }

  fromUpstream(frame: Frame): void {
    // Most frames are results, which may be long: only those that end something are parsed.
    const resultOf = this.#pending > 0 ? idOfResult(frame) : undefined;
    if (resultOf !== undefined) this.#hasResult(resultOf, frame);
    else if (this.#pending > 0 || mayEnd(frame)) {
      const { type, id } = messageOf(frame);
      if (id !== undefined && type === "next") this.#hasResult(id, frame);
      else if (id !== undefined && (type === "complete" || type === "error")) this.#forget(id);
    }
    this.#out.toClient(frame);
  }

  attach(): void {
    if (this.#init === undefined) this.#out.attached();
    else this.#out.toNext(this.#init);
  }

  fromNext(frame: Frame): void {
    const message = messageOf(frame);
    if (message.type === "connection_ack") this.#out.attached();
    else if (message.type === "ping") this.#out.toNext(PONG);
  }

  switched(): void {
    for (const [id, { frame, operation, has }] of [...this.#live]) {
      const isAsked = operation === "query" && has === "nothing";
      if (isAsked || (operation === "subscription" && this.#onMove === "continue"))
        this.#out.toUpstream(frame);
      else {
        this.#forget(id);
        const message = has === "a part" ? CUT : operation === "mutation" ? MOVED : MISSED;
        const error = { id, type: "error", payload: [{ message }] };
        this.#out.toClient(JSON.stringify(has === "all" ? { id, type: "complete" } : error));
      }
    }
  }

  /** A result may come in parts (`@defer`); the last one says so. */
  #hasResult(id: string, frame: Frame): void {
    const live = this.#live.get(id);
    if (live === undefined || live.operation === "subscription") return;
    live.has = typeof frame === "string" && HAS_NEXT.test(frame) ? "a part" : "all";
  }

  #forget(id: string): void {
    const live = this.#live.get(id);
    if (live === undefined) return;
    this.#live.delete(id);
    this.#bytes -= bytesOf(live.frame);
    if (live.operation !== "subscription") this.#pending -= 1;
  }
}

const PONG = '{"type":"pong"}';

const HAS_NEXT = /"hasNext"\s*:\s*true/;
/** As servers on graphql-ws write it, without anything that must be unescaped in the id. */
const RESULT = /^\{"id":"([^"\\]*)","type":"next",/;

/** Undefined: it is none, or is written in another way. */
const idOfResult = (frame: Frame): string | undefined =>
  typeof frame === "string" ? RESULT.exec(frame)?.[1] : undefined;

const mayEnd = (frame: Frame): boolean =>
  typeof frame === "string" && (frame.includes('"complete"') || frame.includes('"error"'));

interface Message {
  readonly type: unknown;
  readonly id: string | undefined;
  readonly payload: unknown;
}

/** Without a type if it is none: the server will end this client. */
function messageOf(frame: Frame): Message {
  const read = new Read(frame);
  const id = read.at("id");
  return {
    type: read.at("type"),
    id: typeof id === "string" ? id : undefined,
    payload: read.at("payload"),
  };
}

/**
 * Which operation a request means. Not sure: a mutation, because that is the one that must not be
 * done twice. A document may hold several, of which `operationName` names one.
 */
function operationOf(payload: unknown): Operation {
  const { query, operationName } = (payload ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof query !== "string") return "mutation";
  const text = query.replaceAll(/"""[\s\S]*?"""|"(?:[^"\\\n]|\\.)*"|#[^\n\r]*/g, " ");
  const kinds = outermost(text).matchAll(/\b(query|mutation|subscription)\b\s*([_A-Za-z]\w*)?/g);
  const found = [...kinds].map(([, kind, name]) => ({ kind: kind as Operation, name }));
  const named = found.filter(({ name }) => name === operationName);
  if (typeof operationName === "string" && named.length === 1) return named[0]?.kind ?? "mutation";
  const [only] = found;
  if (found.length > 1) return "mutation";
  // A document of a selection alone is a query.
  return only?.kind ?? (text.trimStart().startsWith("{") ? "query" : "mutation");
}

/** What stands outside of braces and parentheses: there a field may be called `mutation`. */
function outermost(text: string): string {
  let depth = 0;
  let outside = "";
  for (const char of text) {
    if (char === "{" || char === "(") {
      // What follows is not the name of what was before.
      if (depth === 0) outside += ";";
      depth += 1;
    } else if (char === "}" || char === ")") depth -= 1;
    else if (depth === 0) outside += char;
  }
  return outside;
}
