// Owns: what an application has to be told when a node sends a session's frames, by
// spec/protocol.md alone. For tests only.
import { CODES, type CodeName, type Position } from "@holdfast/protocol";
import type { VectorFrame } from "@holdfast/protocol/vectors";
import { dataOf } from "./vector-client.ts";

interface Entry {
  readonly o: number;
  readonly m: string;
  readonly k?: string;
  readonly s?: string;
}

/** Requests whose answer the application is told. */
const AWAITED = new Set([
  "subscribe",
  "publish",
  "history",
  "enter",
  "update",
  "leave",
  "watch",
  "rpc",
]);

/** The state of one client's application, kept up by the frames that go over its connections. */
export class Told {
  /** Messages and gaps, in order. */
  readonly streams: unknown[] = [];
  /** By `connection id`: what the call that sent the request has come to. */
  readonly outcomes = new Map<string, unknown>();
  /** By watched channel: members by id. */
  readonly members = new Map<string, Map<string, unknown>>();
  state = "connecting";
  session: string | undefined;
  readonly #positions = new Map<string, Position | undefined>();
  /** Requests of which the application wants an answer and has none, by `connection id`. */
  readonly #asked = new Map<string, VectorFrame>();

  /**
   * The client sent a request. `own`: the application asked for it, so that its answer is the
   * application's.
   */
  asked(connection: string, frame: VectorFrame, own: boolean): void {
    const channel = frame.ch as string;
    if (own && AWAITED.has(frame.t as string)) this.#asked.set(`${connection} ${frame.id}`, frame);
    if (frame.t === "subscribe" && own)
      this.#positions.set(channel, frame.pos as Position | undefined);
    else if (frame.t === "unsubscribe") this.#positions.delete(channel);
    else if (frame.t === "unwatch") this.members.delete(channel);
    else if (frame.t === "bye" && frame.moved !== true) this.state = "closed";
    // A call that was given up is over for the application, whatever the node answers.
    else if (frame.t === "cancel" && this.#asked.delete(`${connection} ${frame.id}`))
      this.outcomes.set(`${connection} ${frame.id}`, { code: "aborted" });
  }

  /** The node sent a frame; ids as in the session. */
  sent(connection: string, frame: VectorFrame): void {
    const key = `${connection} ${frame.id}`;
    const request = this.#asked.get(key);
    this.#asked.delete(key);
    if (frame.t === "connected") {
      this.state = "connected";
      this.session = frame.session as string;
    } else if (frame.t === "goodbye")
      this.state = CODES[frame.name as CodeName].retry === "never" ? "failed" : this.#lost();
    else if (frame.t === "members" || frame.t === "presence") this.#presence(frame);
    else if (frame.t === "pub" || frame.t === "gap") this.#stream(frame);
    else if (request !== undefined) this.outcomes.set(key, this.#outcome(request, frame));
  }

  cut(): void {
    this.state = this.#lost();
  }

  #lost(): string {
    return this.state === "connected" ? "reconnecting" : this.state;
  }

  #outcome(request: VectorFrame, answer: VectorFrame): unknown {
    const channel = request.ch as string;
    switch (answer.t) {
      case "err":
        if (request.t === "subscribe") this.#positions.delete(channel);
        if (request.t === "watch") this.members.delete(channel);
        return request.t === "subscribe"
          ? { code: answer.name, ended: false }
          : { code: answer.name };
      case "subscribed":
        this.#positions.set(channel, this.#positions.get(channel) ?? (answer.pos as Position));
        return answer.pos;
      case "published":
        return { position: { epoch: answer.e, offset: answer.o }, duplicate: answer.dup === true };
      case "history":
        return {
          epoch: answer.e,
          more: answer.more,
          list: (answer.pubs as VectorFrame[]).map((entry) => [entry.o, dataOf(entry)]),
        };
      default:
        return request.t === "rpc" ? { data: dataOf(answer) } : "done";
    }
  }

  /** Section 5.1: each publication once, in order; a gap before anything newer. */
  #stream(frame: VectorFrame): void {
    const channel = frame.ch as string;
    const position = this.#positions.get(channel);
    if (position === undefined) return;
    if (frame.t === "gap") {
      const { from, to, reason, pos } = frame;
      this.streams.push({ channel, from, to, reason, position: pos });
      this.#positions.set(channel, pos as Position);
      return;
    }
    const { o, k, s } = frame as unknown as Entry;
    if (o <= position.offset) return;
    const { epoch } = position;
    const more = {
      ...(k === undefined ? {} : { key: k }),
      ...(s === undefined ? {} : { session: s }),
    };
    this.streams.push({ channel, epoch, offset: o, data: dataOf(frame), ...more });
    this.#positions.set(channel, { epoch, offset: o });
  }

  #presence(frame: VectorFrame): void {
    const channel = frame.ch as string;
    const members = this.members.get(channel) ?? new Map<string, unknown>();
    this.members.set(channel, members);
    const present = ["list", "join", "update"].flatMap(
      (name) => (frame[name] ?? []) as VectorFrame[],
    );
    for (const entry of present) members.set((entry as unknown as Entry).m, dataOf(entry));
    for (const id of (frame.leave ?? []) as string[]) members.delete(id);
  }
}
