// Owns: the application's streams and their lanes on each connection: order, duplicates, holes,
// gaps, catching up (H1, H2).
import type { GapFrame, PubFrame, ServerFrame, SubscribedFrame } from "@holdfast/protocol";
import { requestDelayMs } from "./backoff.ts";
import type { Connection } from "./connection.ts";
import { errorFromWire, type HoldfastError } from "./errors.ts";
import { type Answer, defined, guard, type Host, type Part } from "./host.ts";
import { HELD_MAX, isCaughtUp, type Lane, newLane, openLane } from "./lane.ts";
import { Stream, type StreamListener, type StreamStart } from "./stream.ts";

/** How long a gap on a new connection waits for the old one to fill it. */
const HOLD_MS = 1_000;
/** A second undeclared hole within this time ends the connection. */
const HOLE_REPEAT_MS = 60_000;

interface Attachment {
  readonly connection: Connection;
  readonly lanes: Map<string, Lane>;
  /** Subscriptions that are resumed after a loss, not moved. */
  readonly resumes: boolean;
}

/**
 * Every subscription of a client. `attach` a connection when it opens; `detach` it when it ends.
 */
export class Subscriptions implements Part {
  readonly #host: Host;
  readonly #caughtUp: (connection: Connection) => void;
  readonly #streams = new Map<string, Stream>();
  #attachments: readonly Attachment[] = [];

  /** `caughtUp` is called whenever a connection's last lane reached its head. */
  constructor(host: Host, caughtUp: (connection: Connection) => void) {
    this.#host = host;
    this.#caughtUp = caughtUp;
  }

  /**
   * The stream's start, when this channel has a subscription already (then another cannot choose
   * where to begin).
   */
  has(channel: string): boolean {
    return this.#streams.has(channel);
  }

  /**
   * Adds a listener; the first one of a channel opens the subscription. The result removes it; the
   * last one ends it.
   */
  subscribe(channel: string, listener: StreamListener, start: StreamStart): () => void {
    const { final } = this.#host;
    if (final) {
      this.#host.environment.clock.defer(() =>
        guard(this.#host, () => listener.error(final, true)),
      );
      return () => {};
    }
    let stream = this.#streams.get(channel);
    if (stream) {
      stream.add(listener);
      const known = stream;
      if (this.#attachments.some(({ lanes }) => lanes.get(channel)?.state === "live"))
        this.#host.environment.clock.defer(() => known.tellReady());
    } else {
      stream = new Stream(this.#host, channel, start);
      stream.add(listener);
      this.#streams.set(channel, stream);
      this.#requestMissing(stream);
    }
    const joined = stream;
    return () => {
      joined.remove(listener);
      if (joined.listenerCount === 0 && this.#streams.get(channel) === joined) this.#drop(joined);
    };
  }

  /** Asks for every stream. `resumes`: the application shall hear of the recovery. */
  attach(connection: Connection, resumes: boolean): void {
    const attachment: Attachment = { connection, lanes: new Map(), resumes };
    this.#attachments = [...this.#attachments, attachment];
    for (const stream of this.#streams.values()) {
      if (resumes) stream.lossy = false;
      this.#requestMissing(stream);
    }
  }

  detach(connection: Connection): void {
    this.#attachments = this.#attachments.filter((other) => other.connection !== connection);
    for (const { lanes } of this.#attachments) {
      for (const [channel, lane] of lanes)
        if (lane.state === "holding") this.#release(channel, lane);
    }
    for (const stream of this.#streams.values()) this.#requestMissing(stream);
  }

  /** Whether every subscription on the connection reached the head that the node named. */
  isSettled(connection: Connection): boolean {
    const attachment = this.#of(connection);
    if (!attachment) return false;
    for (const channel of this.#streams.keys()) {
      const lane = attachment.lanes.get(channel);
      if (!lane || lane.behind) return false;
    }
    return true;
  }

  onFrame(connection: Connection, frame: ServerFrame<unknown>): void {
    if (frame.t !== "pub" && frame.t !== "gap" && frame.t !== "unsubscribed") return;
    if (frame.t === "unsubscribed" && frame.of !== undefined) return;
    const attachment = this.#of(connection);
    const stream = this.#streams.get(frame.ch);
    const lane = attachment?.lanes.get(frame.ch);
    if (!attachment || !stream || !lane || lane.state === "requested") return;
    if (frame.t === "unsubscribed") {
      this.#end(stream, errorFromWire(frame), connection);
      return;
    }
    if (lane.state === "holding") {
      lane.held.push(frame);
      if (lane.held.length >= HELD_MAX) this.#release(frame.ch, lane);
      return;
    }
    this.#apply({ attachment, stream, lane }, frame);
  }

  /** Ends everything with an error. */
  endAll(error: HoldfastError): void {
    for (const stream of [...this.#streams.values()]) this.#end(stream, error);
  }

  #apply(
    at: { attachment: Attachment; stream: Stream; lane: Lane },
    frame: PubFrame<unknown> | GapFrame,
  ): void {
    const { attachment, stream, lane } = at;
    if (frame.t === "gap") this.#gap(at, frame);
    else this.#pub(at, frame);
    this.#releaseFilled(stream);
    if (lane.behind && isCaughtUp(lane)) this.#laneCaughtUp(attachment, stream, lane);
  }

  #pub(
    { attachment, stream, lane }: { attachment: Attachment; stream: Stream; lane: Lane },
    frame: PubFrame<unknown>,
  ): void {
    if (frame.o <= lane.position.offset) {
      this.#host.counts.add("duplicates");
      return;
    }
    if (stream.cls !== "latest" && frame.o !== lane.position.offset + 1) {
      this.#hole(attachment, stream);
      return;
    }
    const { epoch } = lane.position;
    if (lane.awaitsGap) {
      lane.awaitsGap = false;
      if (epoch !== stream.position?.epoch) {
        // The node changed the epoch and declared no gap. Say it in its place: never silently.
        this.#host.counts.add("undeclared");
        const from = (stream.position?.offset ?? 0) + 1;
        stream.skip({ from, to: null, reason: "epoch", pos: { epoch, offset: frame.o - 1 } });
      }
    }
    lane.position = { epoch, offset: frame.o };
    if (epoch !== stream.position?.epoch) return; // Another connection has gone on to a newer epoch.
    if (stream.accept(frame) === "hole") this.#hole(attachment, stream);
  }

  #gap(
    { attachment, stream, lane }: { attachment: Attachment; stream: Stream; lane: Lane },
    frame: GapFrame,
  ): void {
    if (this.#mayBeFilled(attachment, stream, frame)) {
      lane.state = "holding";
      lane.held = [frame];
      this.#host.environment.clock.after(HOLD_MS, () => {
        if (lane.state === "holding") this.#release(stream.channel, lane);
      });
      return;
    }
    this.#skip(stream, lane, frame);
  }

  #skip(stream: Stream, lane: Lane, frame: GapFrame): void {
    const present = stream.position?.epoch;
    const leads = lane.awaitsGap || lane.position.epoch === present || frame.pos.epoch === present;
    // A head below the position that was asked for: the stream began anew and kept its epoch's
    // name.
    const rewinds = lane.awaitsGap && frame.to === null && lane.askedEpoch === frame.pos.epoch;
    lane.awaitsGap = false;
    lane.position = frame.pos;
    if (leads) stream.skip(frame, rewinds);
  }

  /**
   * Whether another connection is still delivering what this one declares lost: a volatile
   * channel's move, above all.
   */
  #mayBeFilled(attachment: Attachment, stream: Stream, frame: GapFrame): boolean {
    const { position } = stream;
    if (!position || position.epoch !== frame.pos.epoch || frame.pos.offset <= position.offset)
      return false;
    return this.#attachments.some(({ connection, lanes }) => {
      const other = lanes.get(stream.channel);
      return (
        connection !== attachment.connection &&
        other?.state === "live" &&
        other.position.epoch === position.epoch
      );
    });
  }

  #releaseFilled(stream: Stream): void {
    for (const { lanes } of this.#attachments) {
      const lane = lanes.get(stream.channel);
      const gap = lane?.held[0];
      if (lane?.state !== "holding" || gap?.t !== "gap" || !stream.position) continue;
      if (gap.pos.epoch !== stream.position.epoch || gap.pos.offset <= stream.position.offset)
        this.#release(stream.channel, lane);
    }
  }

  #release(channel: string, lane: Lane): void {
    const stream = this.#streams.get(channel);
    const attachment = this.#attachments.find(({ lanes }) => lanes.get(channel) === lane);
    const [gap, ...rest] = lane.held;
    lane.state = "live";
    lane.held = [];
    if (!stream || !attachment || gap?.t !== "gap") return;
    this.#skip(stream, lane, gap);
    for (const frame of rest) this.onFrame(attachment.connection, frame);
    if (lane.behind && isCaughtUp(lane)) this.#laneCaughtUp(attachment, stream, lane);
  }

  #hole({ connection }: Attachment, stream: Stream): void {
    this.#host.counts.add("undeclared");
    const nowMs = this.#host.environment.clock.nowMs();
    const repeated = stream.holeMs !== undefined && nowMs - stream.holeMs < HOLE_REPEAT_MS;
    stream.holeMs = nowMs;
    if (repeated) {
      stream.holeMs = undefined;
      connection.end(4011, "stream_broken");
      return;
    }
    connection.request({ t: "unsubscribe", ch: stream.channel });
    this.#request(connection, stream);
  }

  #laneCaughtUp(attachment: Attachment, stream: Stream, lane: Lane): void {
    lane.behind = false;
    if (attachment.resumes && lane.askedEpoch !== undefined) stream.tellRecovered();
    if (this.isSettled(attachment.connection)) this.#caughtUp(attachment.connection);
  }

  /**
   * Asks where the stream has no lane yet. Without a position only one connection is asked, and the
   * others when it has answered, so that they begin at the same place.
   */
  #requestMissing(stream: Stream): void {
    for (const { connection, lanes } of this.#attachments) {
      if (lanes.has(stream.channel)) continue;
      if (!stream.position && this.#attachments.some((other) => other.lanes.has(stream.channel)))
        return;
      this.#request(connection, stream);
    }
  }

  #request(connection: Connection, stream: Stream, tries = 0): void {
    const lanes = this.#of(connection)?.lanes;
    const { channel, position, last } = stream;
    const lane = newLane(position?.epoch);
    lane.tries = tries;
    lanes?.set(channel, lane);
    connection.request(
      defined({
        t: "subscribe" as const,
        ch: channel,
        pos: position,
        last: position ? undefined : last,
      }),
      (answer) => {
        if (answer && lanes?.get(channel) === lane && this.#streams.get(channel) === stream)
          this.#onAnswer({ connection, stream, lane }, answer);
      },
    );
  }

  #onAnswer(at: { connection: Connection; stream: Stream; lane: Lane }, answer: Answer): void {
    if (answer.t === "subscribed") this.#onSubscribed(at, answer);
    else if (answer.t === "err") this.#onRefused(at, errorFromWire(answer));
  }

  #onSubscribed(
    { connection, stream, lane }: { connection: Connection; stream: Stream; lane: Lane },
    frame: SubscribedFrame,
  ): void {
    openLane(lane, frame);
    stream.cls = frame.cls;
    stream.position ??= frame.pos;
    stream.tellReady(frame.pos);
    this.#requestMissing(stream);
    const attachment = this.#of(connection);
    if (attachment && isCaughtUp(lane)) this.#laneCaughtUp(attachment, stream, lane);
  }

  #onRefused(
    { connection, stream, lane }: { connection: Connection; stream: Stream; lane: Lane },
    error: HoldfastError,
  ): void {
    if (error.retry === "never") {
      this.#end(stream, error, connection);
      return;
    }
    stream.tellError(error, false);
    const { clock, random } = this.#host.environment;
    clock.after(requestDelayMs(lane.tries, error.retryAfterMs, random.next()), () => {
      const current =
        this.#of(connection)?.lanes.get(stream.channel) === lane &&
        this.#streams.get(stream.channel) === stream;
      if (current) this.#request(connection, stream, lane.tries + 1);
    });
  }

  /** `refusedBy` has no subscription to end any more. */
  #end(stream: Stream, error: HoldfastError, refusedBy?: Connection): void {
    this.#of(refusedBy)?.lanes.delete(stream.channel);
    this.#drop(stream);
    stream.tellError(error, true);
  }

  #drop(stream: Stream): void {
    const { channel } = stream;
    this.#streams.delete(channel);
    for (const { connection, lanes } of this.#attachments) {
      if (!lanes.delete(channel)) continue;
      connection.request({ t: "unsubscribe", ch: channel });
      if (this.isSettled(connection)) this.#caughtUp(connection);
    }
  }

  #of(connection: Connection | undefined): Attachment | undefined {
    return this.#attachments.find((other) => other.connection === connection);
  }
}
