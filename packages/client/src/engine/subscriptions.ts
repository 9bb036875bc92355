// Owns: the application's streams and what each connection brings of them: order, duplicates,
// holes, gaps, catching up (H1, H2).
import type { GapFrame, PubFrame, ServerFrame, SubscribedFrame } from "@holdfast/protocol";
import { repeatLater } from "./backoff.ts";
import {
  type Attachment,
  type ChannelOnConnection,
  delivers,
  HELD_MAX,
  isCaughtUp,
  newChannelOnConnection,
  openChannelOnConnection,
} from "./channel-on-connection.ts";
import type { Connection } from "./connection.ts";
import { defined, type EngineContext, type Feature, guard } from "./engine-context.ts";
import { errorFromWire, type HoldfastError } from "./errors.ts";
import { Stream, type StreamListener, type StreamStart } from "./stream.ts";

/** How long a gap on a new connection waits for the old one to fill it. */
const HOLD_MS = 1_000;
/** A second undeclared hole within this time ends the connection. */
const HOLE_REPEAT_MS = 60_000;

/**
 * Every subscription of a client. `attach` a connection when it opens; `detach` it when it ends.
 */
export class Subscriptions implements Feature {
  readonly #engine: EngineContext;
  readonly #caughtUp: (connection: Connection) => void;
  readonly #streams = new Map<string, Stream>();
  #attachments: readonly Attachment[] = [];

  /**
   * `caughtUp` is called whenever a channel on a connection reached its head or left: the last one
   * may have.
   */
  constructor(engine: EngineContext, caughtUp: (connection: Connection) => void) {
    this.#engine = engine;
    this.#caughtUp = caughtUp;
  }

  /** Whether the channel has a subscription already (then another cannot choose where to begin). */
  has(channel: string): boolean {
    return this.#streams.get(channel)?.refused === false;
  }

  /**
   * Adds a listener; the first one of a channel opens the subscription, and a further one of a
   * channel that was refused asks for it again. The result removes it; the last one ends it.
   */
  subscribe(channel: string, listener: StreamListener, start: StreamStart): () => void {
    const { final } = this.#engine;
    if (final) {
      this.#engine.defer(() => guard(this.#engine, () => listener.error(final, true)));
      return () => {};
    }
    const known = this.#streams.get(channel);
    const stream = known ?? new Stream(this.#engine, channel);
    this.#streams.set(channel, stream);
    stream.add(listener);
    if (this.#on(channel).some(({ state }) => state === "live"))
      this.#engine.defer(() => stream.tellReady());
    if (!known || known.refused) {
      stream.begin(start);
      for (const { state, attachment } of this.#on(channel))
        if (state === "refused") attachment.channels.delete(channel);
      this.#requestMissing(stream);
    }
    return () => {
      stream.remove(listener);
      if (stream.listenerCount === 0 && this.#streams.get(channel) === stream) this.#drop(stream);
    };
  }

  /** Asks for every stream. `resumes`: the application shall hear of the recovery. */
  attach(connection: Connection, resumes: boolean): void {
    this.#attachments = [...this.#attachments, { connection, channels: new Map(), resumes }];
    for (const stream of this.#streams.values()) {
      if (resumes) stream.lossy = false;
      this.#requestMissing(stream);
    }
  }

  detach(connection: Connection): void {
    this.#of(connection)?.channels.clear();
    this.#attachments = this.#attachments.filter((other) => other.connection !== connection);
    for (const { channels } of this.#attachments)
      for (const carried of [...channels.values()]) this.#release(carried);
    for (const stream of this.#streams.values()) this.#requestMissing(stream);
  }

  /** Whether every subscription on the connection reached the head that the node named. */
  isSettled(connection: Connection): boolean {
    const attachment = this.#of(connection);
    if (!attachment) return false;
    for (const channel of this.#streams.keys())
      if (attachment.channels.get(channel)?.behind !== false) return false;
    return true;
  }

  onFrame(connection: Connection, frame: ServerFrame<unknown>): void {
    if (frame.t !== "pub" && frame.t !== "gap" && frame.t !== "unsubscribed") return;
    const carried = this.#of(connection)?.channels.get(frame.ch);
    if (carried?.state !== "live") return;
    if (frame.t === "unsubscribed") {
      if (frame.of !== undefined) return;
      // There is no subscription to end any more.
      carried.state = "refused";
      this.#end(carried.stream, errorFromWire(frame));
    } else if (carried.held.length > 0) {
      carried.held.push(frame);
      if (carried.held.length >= HELD_MAX) this.#release(carried);
    } else {
      if (frame.t === "gap") this.#gap(carried, frame);
      else this.#pub(carried, frame);
      if (this.#attachments.length > 1) this.#releaseFilled(carried.stream);
      this.#checkCaughtUp(carried);
    }
  }

  /** Ends everything with an error. */
  endAll(error: HoldfastError): void {
    for (const stream of [...this.#streams.values()]) this.#end(stream, error);
  }

  #pub(carried: ChannelOnConnection, frame: PubFrame<unknown>): void {
    const { stream, position, awaitsGap } = carried;
    const { epoch } = position;
    if (frame.o <= position.offset) {
      this.#engine.counts.add("duplicates");
      return;
    }
    if (stream.cls !== "latest" && frame.o !== position.offset + 1) {
      this.#hole(carried);
      return;
    }
    carried.awaitsGap = false;
    if (awaitsGap && epoch !== stream.position?.epoch) {
      // The node changed the epoch and declared no gap. Say it in its place: never silently.
      this.#engine.counts.add("undeclared");
      const from = (stream.position?.offset ?? 0) + 1;
      stream.skip({ from, to: null, reason: "epoch", pos: { epoch, offset: frame.o - 1 } });
    }
    carried.position = { epoch, offset: frame.o };
    // Otherwise another connection has gone on to a newer epoch.
    if (epoch === stream.position?.epoch && !stream.accept(frame)) this.#hole(carried);
  }

  #gap(carried: ChannelOnConnection, frame: GapFrame): void {
    if (!this.#mayBeFilled(carried, frame)) {
      this.#skip(carried, frame);
      return;
    }
    carried.held = [frame];
    this.#engine.after(HOLD_MS, () => carried.held[0] === frame && this.#release(carried));
  }

  #skip(carried: ChannelOnConnection, frame: GapFrame): void {
    const { stream } = carried;
    const present = stream.position?.epoch;
    // A gap with an end lies within its epoch. It cannot lead out of one that another connection
    // has brought meanwhile.
    const begins = carried.awaitsGap && frame.to === null;
    const leads = begins || carried.position.epoch === present || frame.pos.epoch === present;
    // A head below the position that was asked for: the stream began anew and kept its epoch's
    // name.
    const rewinds = begins && carried.askedEpoch === frame.pos.epoch;
    carried.awaitsGap = false;
    carried.position = frame.pos;
    if (leads) stream.skip(frame, rewinds);
  }

  /**
   * Whether another connection is still delivering what this one declares lost: a volatile
   * channel's move, above all.
   */
  #mayBeFilled(carried: ChannelOnConnection, { pos }: GapFrame): boolean {
    const { channel, position } = carried.stream;
    return (
      pos.epoch === position?.epoch &&
      pos.offset > position.offset &&
      this.#on(channel).some(
        (other) => other !== carried && delivers(other) && other.position.epoch === pos.epoch,
      )
    );
  }

  /** Goes on behind the gaps that another connection has filled meanwhile. */
  #releaseFilled({ channel, position }: Stream): void {
    for (const carried of this.#on(channel)) {
      const [gap] = carried.held;
      if (gap?.t !== "gap" || !position) continue;
      if (gap.pos.epoch !== position.epoch || gap.pos.offset <= position.offset)
        this.#release(carried);
    }
  }

  /** Declares the gap that was held back, and goes on behind it. */
  #release(carried: ChannelOnConnection): void {
    const [gap, ...rest] = carried.held;
    carried.held = [];
    if (gap?.t !== "gap" || !this.#isCurrent(carried)) return;
    this.#skip(carried, gap);
    for (const frame of rest) this.onFrame(carried.attachment.connection, frame);
    this.#checkCaughtUp(carried);
  }

  #hole(carried: ChannelOnConnection): void {
    const { stream, attachment } = carried;
    const { connection } = attachment;
    const nowMs = this.#engine.nowMs();
    const beforeMs = stream.holeMs;
    this.#engine.counts.add("undeclared");
    stream.holeMs = nowMs;
    if (nowMs - beforeMs < HOLE_REPEAT_MS) {
      stream.holeMs = Number.NEGATIVE_INFINITY;
      connection.end(4011, "stream_broken");
      return;
    }
    this.#unsubscribe(connection, stream.channel);
    this.#request(attachment, stream);
  }

  #checkCaughtUp(carried: ChannelOnConnection): void {
    const { attachment, stream } = carried;
    // Behind a hole it was asked for anew.
    if (!carried.behind || !isCaughtUp(carried) || !this.#isCurrent(carried)) return;
    carried.behind = false;
    if (attachment.resumes && carried.askedEpoch !== undefined) stream.tellRecovered();
    this.#caughtUp(attachment.connection);
  }

  /**
   * Asks on which connections the stream was not requested yet. Without a position only one
   * connection is asked, and the others when it has answered, so that they begin at the same place.
   */
  #requestMissing(stream: Stream): void {
    const { channel } = stream;
    for (const attachment of this.#attachments) {
      if (attachment.channels.has(channel)) continue;
      if (!stream.position && this.#on(channel).some(({ state }) => state !== "refused")) return;
      this.#request(attachment, stream);
    }
  }

  #request(attachment: Attachment, stream: Stream, tries = 0): void {
    const { channel, position, last } = stream;
    const carried = newChannelOnConnection(attachment, stream, tries);
    attachment.channels.set(channel, carried);
    const start = { pos: position, last: position ? undefined : last };
    attachment.connection.request(
      defined({ t: "subscribe" as const, ch: channel, ...start }),
      (answer) => {
        if (!answer || !this.#isCurrent(carried) || carried.state !== "requested") return;
        if (answer.t === "subscribed") this.#onSubscribed(carried, answer);
        else if (answer.t === "err") this.#onRefused(carried, errorFromWire(answer));
      },
    );
  }

  #onSubscribed(carried: ChannelOnConnection, frame: SubscribedFrame): void {
    const { stream } = carried;
    openChannelOnConnection(carried, frame);
    stream.cls = frame.cls;
    stream.position ??= frame.pos;
    stream.refused = false;
    stream.tellReady(frame.pos);
    this.#requestMissing(stream);
    this.#checkCaughtUp(carried);
  }

  #onRefused(carried: ChannelOnConnection, error: HoldfastError): void {
    const { attachment, stream, tries } = carried;
    const { code, retry, retryAfterMs } = error;
    // The node did not carry out an earlier `unsubscribe`.
    if (code === "already_subscribed") this.#unsubscribe(attachment.connection, stream.channel);
    else if (retry === "never") {
      this.#refuse(stream, error);
      if (!retryAfterMs) return;
    } else stream.tellError(error, false);
    repeatLater(this.#engine, { tries, retryAfterMs }, () => {
      if (this.#isCurrent(carried)) this.#request(attachment, stream, tries + 1);
    });
  }

  /** The node of one connection does not allow it, so no other connection goes on with it. */
  #refuse(stream: Stream, error: HoldfastError): void {
    stream.tellRefused(error);
    for (const carried of this.#on(stream.channel)) {
      const { attachment, state } = carried;
      if (state === "live") this.#unsubscribe(attachment.connection, stream.channel);
      carried.state = "refused";
      carried.behind = false;
      carried.held = [];
      this.#caughtUp(attachment.connection);
    }
    this.#requestMissing(stream);
  }

  #end(stream: Stream, error: HoldfastError): void {
    this.#drop(stream);
    stream.tellError(error, true);
  }

  #drop({ channel }: Stream): void {
    this.#streams.delete(channel);
    for (const { attachment, state } of this.#on(channel)) {
      attachment.channels.delete(channel);
      if (state !== "refused") this.#unsubscribe(attachment.connection, channel);
      this.#caughtUp(attachment.connection);
    }
  }

  /** Repeated while the node refuses it for the moment, until the channel is asked for again. */
  #unsubscribe(connection: Connection, channel: string, tries = 0): void {
    connection.request({ t: "unsubscribe", ch: channel }, (answer) => {
      const { retry, retryAfterMs } = answer?.t === "err" ? errorFromWire(answer) : {};
      if (retry !== "backoff") return;
      repeatLater(this.#engine, { tries, retryAfterMs }, () => {
        if (this.#of(connection)?.channels.has(channel) === false)
          this.#unsubscribe(connection, channel, tries + 1);
      });
    });
  }

  /** False once the connection ended, the stream ended, or the stream was asked for again there. */
  #isCurrent(carried: ChannelOnConnection): boolean {
    return carried.attachment.channels.get(carried.stream.channel) === carried;
  }

  /** What the connections bring of a channel. */
  #on(channel: string): ChannelOnConnection[] {
    return this.#attachments.flatMap(({ channels }) => channels.get(channel) ?? []);
  }

  #of(connection: Connection): Attachment | undefined {
    return this.#attachments.find((other) => other.connection === connection);
  }
}
