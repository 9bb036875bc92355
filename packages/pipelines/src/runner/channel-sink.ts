// Owns: the sink that publishes into channels of the contract, exactly once by idempotency keys.
import type { Outcome } from "@holdfast/contract";
import {
  type Sink,
  type SinkAdapter,
  type SinkBatch,
  SinkError,
  type SinkRecord,
} from "../sink.ts";
import { FINAL_CODES } from "../source.ts";

/** `NodeControl.publish` for plain values. */
export type PublishValue = (
  channel: string,
  request: { readonly value: unknown; readonly key?: string; readonly idempotencyKey: string },
) => Promise<Outcome<unknown>>;

export interface ChannelSinkPorts {
  readonly publish: PublishValue;
  /** The delivery class of a channel; undefined: no pattern matches. */
  classOf(channel: string): string | undefined;
}

/** Publications of one channel that are under way at once. */
const AT_ONCE = 32;

/** Kind `channel`: options `channel`, a template, and `key`, one as well. */
export function channelAdapter(ports: ChannelSinkPorts): SinkAdapter {
  return {
    kind: "channel",
    problems: (options) => {
      const { channel, key } = options;
      const found = [];
      if (typeof channel !== "string" || channel === "")
        found.push(`Cannot use sink channel: found ${String(channel)}, expected a channel's name`);
      if (key !== undefined && typeof key !== "string")
        found.push("Cannot use sink channel: found a key that is no text, expected a template");
      return found;
    },
    open: ({ options }) => new ChannelSink(ports, options as unknown as ChannelOptions),
  };
}

interface ChannelOptions {
  readonly channel: string;
  readonly key?: string;
}

class ChannelSink implements Sink {
  readonly #ports: ChannelSinkPorts;
  readonly #options: ChannelOptions;

  constructor(ports: ChannelSinkPorts, options: ChannelOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  async write({ records }: SinkBatch): Promise<{ refused: { index: number; reason: string }[] }> {
    const refused: { index: number; reason: string }[] = [];
    const lanes = new Map<string, [number, SinkRecord, string][]>();
    for (const [index, record] of records.entries()) {
      const channel = fill(this.#options.channel, record);
      if (channel === undefined)
        refused.push({ index, reason: `nothing is called as in ${this.#options.channel}` });
      else {
        const lane = lanes.get(channel);
        if (lane === undefined) lanes.set(channel, [[index, record, channel]]);
        else lane.push([index, record, channel]);
      }
    }
    await Promise.all([...lanes].map(([channel, lane]) => this.#lane(channel, lane, refused)));
    return { refused };
  }

  async close(): Promise<void> {}

  /** In order. A `latest` channel takes one at a time: an older value must not come behind. */
  async #lane(
    channel: string,
    lane: readonly [number, SinkRecord, string][],
    refused: { index: number; reason: string }[],
  ): Promise<void> {
    const atOnce = this.#ports.classOf(channel) === "latest" ? 1 : AT_ONCE;
    for (let at = 0; at < lane.length; at += atOnce) {
      const outcomes = await Promise.all(
        lane.slice(at, at + atOnce).map(async ([index, record]) => {
          const outcome = await this.#publish(channel, record);
          if (!outcome.ok && FINAL_CODES.has(outcome.code))
            refused.push({ index, reason: `${outcome.code}: ${outcome.message}` });
          return outcome;
        }),
      );
      const failed = outcomes.find((outcome) => !outcome.ok && !FINAL_CODES.has(outcome.code));
      if (failed !== undefined && !failed.ok)
        throw new SinkError("unavailable", `${failed.code}: ${failed.message}`, {
          ...(failed.retryMs === undefined ? {} : { retryMs: failed.retryMs }),
        });
    }
  }

  #publish(channel: string, record: SinkRecord): Promise<Outcome<unknown>> {
    const template = this.#options.key;
    const isLatest = this.#ports.classOf(channel) === "latest";
    const key =
      template === undefined ? (isLatest ? record.key : undefined) : fill(template, record);
    return this.#ports.publish(channel, {
      value: record.value,
      idempotencyKey: record.id,
      ...(key === undefined ? {} : { key }),
    });
  }
}

/** Names in braces: parameters, then members of the value. Undefined if one is missing. */
function fill(template: string, { params, value }: SinkRecord): string | undefined {
  let isWhole = true;
  const members = (typeof value === "object" && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  const text = template.replace(/\{([^}]+)\}/g, (_match, name: string) => {
    const found = Object.hasOwn(params, name) ? params[name] : members[name];
    if (typeof found === "string" || typeof found === "number") return String(found);
    isWhole = false;
    return "";
  });
  return isWhole ? text : undefined;
}
