// Owns: the application's streams and what each connection brings of them: order, duplicates,
// holes, gaps, catching up (H1, H2).
import type { GapFrame, PubFrame, ServerFrame, SubscribedFrame } from "@holdfast/protocol";
import { requestDelayMs } from "./backoff.ts";
import {
  type ChannelOnConnection,
  HELD_MAX,
  isCaughtUp,
  newChannelOnConnection,
  openChannelOnConnection,
} from "./channel-on-connection.ts";
import type { Connection } from "./connection.ts";
import { type Answer, defined, type EngineContext, type Feature, guard } from "./engine-context.ts";
import { errorFromWire, type HoldfastError } from "./errors.ts";
import { Stream, type StreamListener, type StreamStart } from "./stream.ts";

/** How long a gap on a new connection waits for the old one to fill it. */
const HOLD_MS = 1_000;
/** A second undeclared hole within this time ends the connection. */
const HOLE_REPEAT_MS = 60_000;

interface Attachment {
  readonly connection: Connection;
  readonly channels: Map<string, ChannelOnConnection>;
  /** Subscriptions that are resumed after a loss, not moved. */
  readonly resumes: boolean;
}

/**
 * Every subscription of a client. `attach` a connection when it opens; `detach` it when it ends.
 */
export class Subscriptions implements Feature {
  readonly #engine: EngineContext;
  readonly #caughtUp: (connection: Connection) => void;
  readonly #streams = new Map<string, Stream>();
  #attachments: readonly Attachment[] = [];

  /** `caughtUp` is called whenever the last channel on a connection reached its head. */
  constructor(engine: EngineContext, caughtUp: (connection: Connection) => void) {
    this.#engine = engine;
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
    const { final } = this.#engine;
    if (final) {
      this.#engine.environment.clock.defer(() =>
        guard(this.#engine, () => listener.error(final, true)),
      );
      return () => {};
    }
    let stream = this.#streams.get(channel);
    if (stream) {
      stream.add(listener);
      const known = stream;
      if (this.#attachments.some(({ channels }) => channels.get(channel)?.state === "live"))
        this.#engine.environment.clock.defer(() => known.tellReady());
    } else {
      stream = new Stream(this.#engine, channel, start);
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
    const attachment: Attachment = { connection, channels: new Map(), resumes };
    this.#attachments = [...this.#attachments, attachment];
    for (const stream of this.#streams.values()) {
      if (resumes) stream.lossy = false;
      this.#requestMissing(stream);
    }
  }

  detach(connection: Connection): void {
    this.#attachments = this.#attachments.filter((other) => other.connection !== connection);
    for (const { channels } of this.#attachments) {
      for (const [channel, carried] of channels)
        if (carried.state === "holding") this.#release(channel, carried);
    }
    for (const stream of this.#streams.values()) this.#requestMissing(stream);
  }

  /** Whether every subscription on the connection reached the head that the node named. */
  isSettled(connection: Connection): boolean {
    const attachment = this.#of(connection);
    if (!attachment) return false;
    for (const channel of this.#streams.keys()) {
      const carried = attachment.channels.get(channel);
      if (!carried || carried.behind) return false;
    }
    return true;
  }

  onFrame(connection: Connection, frame: ServerFrame<unknown>): void {
    if (frame.t !== "pub" && frame.t !== "gap" && frame.t !== "unsubscribed") return;
    if (frame.t === "unsubscribed" && frame.of !== undefined) return;
    const attachment = this.#of(connection);
    const stream = this.#streams.get(frame.ch);
    const carried = attachment?.channels.get(frame.ch);
    if (!attachment || !stream || !carried || carried.state === "requested") return;
    if (frame.t === "unsubscribed") {
      this.#end(stream, errorFromWire(frame), connection);
      return;
    }
    if (carried.state === "holding") {
      carried.held.push(frame);
      if (carried.held.length >= HELD_MAX) this.#release(frame.ch, carried);
      return;
    }
    this.#apply({ attachment, stream, carried }, frame);
  }

  /** Ends everything with an error. */
  endAll(error: HoldfastError): void {
    for (const stream of [...this.#streams.values()]) this.#end(stream, error);
  }

  #apply(
    at: { attachment: Attachment; stream: Stream; carried: ChannelOnConnection },
    frame: PubFrame<unknown> | GapFrame,
  ): void {
    const { attachment, stream, carried } = at;
    if (frame.t === "gap") this.#gap(at, frame);
    else this.#pub(at, frame);
    this.#releaseFilled(stream);
    if (carried.behind && isCaughtUp(carried)) this.#channelCaughtUp(attachment, stream, carried);
  }

  #pub(
    {
      attachment,
      stream,
      carried,
    }: { attachment: Attachment; stream: Stream; carried: ChannelOnConnection },
    frame: PubFrame<unknown>,
  ): void {
    if (frame.o <= carried.position.offset) {
      this.#engine.counts.add("duplicates");
      return;
    }
    if (stream.cls !== "latest" && frame.o !== carried.position.offset + 1) {
      this.#hole(attachment, stream);
      return;
    }
    const { epoch } = carried.position;
    if (carried.awaitsGap) {
      carried.awaitsGap = false;
      if (epoch !== stream.position?.epoch) {
        // The node changed the epoch and declared no gap. Say it in its place: never silently.
        this.#engine.counts.add("undeclared");
        const from = (stream.position?.offset ?? 0) + 1;
        stream.skip({ from, to: null, reason: "epoch", pos: { epoch, offset: frame.o - 1 } });
      }
    }
    carried.position = { epoch, offset: frame.o };
    if (epoch !== stream.position?.epoch) return; // Another connection has gone on to a newer epoch.
    if (stream.accept(frame) === "hole") this.#hole(attachment, stream);
  }

  #gap(
    {
      attachment,
      stream,
      carried,
    }: { attachment: Attachment; stream: Stream; carried: ChannelOnConnection },
    frame: GapFrame,
  ): void {
    if (this.#mayBeFilled(attachment, stream, frame)) {
      carried.state = "holding";
      carried.held = [frame];
      this.#engine.environment.clock.after(HOLD_MS, () => {
        if (carried.state === "holding") this.#release(stream.channel, carried);
      });
      return;
    }
    this.#skip(stream, carried, frame);
  }

  #skip(stream: Stream, carried: ChannelOnConnection, frame: GapFrame): void {
    const present = stream.position?.epoch;
    const leads =
      carried.awaitsGap || carried.position.epoch === present || frame.pos.epoch === present;
    // A head below the position that was asked for: the stream began anew and kept its epoch's
    // name.
    const rewinds =
      carried.awaitsGap && frame.to === null && carried.askedEpoch === frame.pos.epoch;
    carried.awaitsGap = false;
    carried.position = frame.pos;
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
    return this.#attachments.some(({ connection, channels }) => {
      const other = channels.get(stream.channel);
      return (
        connection !== attachment.connection &&
        other?.state === "live" &&
        other.position.epoch === position.epoch
      );
    });
  }

  #releaseFilled(stream: Stream): void {
    for (const { channels } of this.#attachments) {
      const carried = channels.get(stream.channel);
      const gap = carried?.held[0];
      if (carried?.state !== "holding" || gap?.t !== "gap" || !stream.position) continue;
      if (gap.pos.epoch !== stream.position.epoch || gap.pos.offset <= stream.position.offset)
        this.#release(stream.channel, carried);
    }
  }

  #release(channel: string, carried: ChannelOnConnection): void {
    const stream = this.#streams.get(channel);
    const attachment = this.#attachments.find(({ channels }) => channels.get(channel) === carried);
    const [gap, ...rest] = carried.held;
    carried.state = "live";
    carried.held = [];
    if (!stream || !attachment || gap?.t !== "gap") return;
    this.#skip(stream, carried, gap);
    for (const frame of rest) this.onFrame(attachment.connection, frame);
    if (carried.behind && isCaughtUp(carried)) this.#channelCaughtUp(attachment, stream, carried);
  }

  #hole({ connection }: Attachment, stream: Stream): void {
    this.#engine.counts.add("undeclared");
    const nowMs = this.#engine.environment.clock.nowMs();
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

  #channelCaughtUp(attachment: Attachment, stream: Stream, carried: ChannelOnConnection): void {
    carried.behind = false;
    if (attachment.resumes && carried.askedEpoch !== undefined) stream.tellRecovered();
    if (this.isSettled(attachment.connection)) this.#caughtUp(attachment.connection);
  }

  /**
   * Asks on which connections the stream was not requested yet. Without a position only one
   * connection is asked, and the others when it has answered, so that they begin at the same place.
   */
  #requestMissing(stream: Stream): void {
    for (const { connection, channels } of this.#attachments) {
      if (channels.has(stream.channel)) continue;
      if (!stream.position && this.#attachments.some((other) => other.channels.has(stream.channel)))
        return;
      this.#request(connection, stream);
    }
  }

  #request(connection: Connection, stream: Stream, tries = 0): void {
    const channels = this.#of(connection)?.channels;
    const { channel, position, last } = stream;
    const carried = newChannelOnConnection(position?.epoch);
    carried.tries = tries;
    channels?.set(channel, carried);
    connection.request(
      defined({
        t: "subscribe" as const,
        ch: channel,
        pos: position,
        last: position ? undefined : last,
      }),
      (answer) => {
        if (answer && channels?.get(channel) === carried && this.#streams.get(channel) === stream)
          this.#onAnswer({ connection, stream, carried }, answer);
      },
    );
  }

  #onAnswer(
    at: { connection: Connection; stream: Stream; carried: ChannelOnConnection },
    answer: Answer,
  ): void {
    if (answer.t === "subscribed") this.#onSubscribed(at, answer);
    else if (answer.t === "err") this.#onRefused(at, errorFromWire(answer));
  }

  #onSubscribed(
    {
      connection,
      stream,
      carried,
    }: { connection: Connection; stream: Stream; carried: ChannelOnConnection },
    frame: SubscribedFrame,
  ): void {
    openChannelOnConnection(carried, frame);
    stream.cls = frame.cls;
    stream.position ??= frame.pos;
    stream.tellReady(frame.pos);
    this.#requestMissing(stream);
    const attachment = this.#of(connection);
    if (attachment && isCaughtUp(carried)) this.#channelCaughtUp(attachment, stream, carried);
  }

  #onRefused(
    {
      connection,
      stream,
      carried,
    }: { connection: Connection; stream: Stream; carried: ChannelOnConnection },
    error: HoldfastError,
  ): void {
    if (error.retry === "never") {
      this.#end(stream, error, connection);
      return;
    }
    stream.tellError(error, false);
    const { clock, random } = this.#engine.environment;
    clock.after(requestDelayMs(carried.tries, error.retryAfterMs, random.next()), () => {
      const current =
        this.#of(connection)?.channels.get(stream.channel) === carried &&
        this.#streams.get(stream.channel) === stream;
      if (current) this.#request(connection, stream, carried.tries + 1);
    });
  }

  /** `refusedBy` has no subscription to end any more. */
  #end(stream: Stream, error: HoldfastError, refusedBy?: Connection): void {
    this.#of(refusedBy)?.channels.delete(stream.channel);
    this.#drop(stream);
    stream.tellError(error, true);
  }

  #drop(stream: Stream): void {
    const { channel } = stream;
    this.#streams.delete(channel);
    for (const { connection, channels } of this.#attachments) {
      if (!channels.delete(channel)) continue;
      connection.request({ t: "unsubscribe", ch: channel });
      if (this.isSettled(connection)) this.#caughtUp(connection);
    }
  }

  #of(connection: Connection | undefined): Attachment | undefined {
    return this.#attachments.find((other) => other.connection === connection);
  }
}
