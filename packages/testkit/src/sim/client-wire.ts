// Owns: what stands between a simulated client's engine and the network: its transport and its
// codec, both watched.
import type { Transport, TransportHandlers } from "@holdfast/client/engine";
import { type ClientCodec, jsonClientCodec, type ServerFrame } from "@holdfast/protocol";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import type { SimClientOptions } from "./sim-client.ts";

/** Request ids of repeated publishes: far from the engine's own. */
const REPEATED_ID = 1_000_000_000;
const FRAME_LENGTH_SHOWN = 160;
/** What no engine of ours may give a node reason to say. */
const SHAMES: ReadonlySet<string> = new Set([
  "internal",
  "frame_invalid",
  "frame_too_large",
  "flooded",
]);

export function openTransport(
  options: SimClientOptions,
  subprotocol: string,
  handlers: TransportHandlers,
): Transport {
  const { network, plan, process, trace } = options;
  trace.add(plan.name, "dials");
  return network.dial(process, subprotocol, {
    opened: () => handlers.opened(),
    message: (message) => handlers.message(message),
    closed: (code, reason) => {
      trace.add(plan.name, "hung up", `${code} ${reason}`);
      handlers.closed(code, reason);
    },
  });
}

/**
 * The plan's codec; it tells the trace of frames where that is wanted, and repeats publishes where
 * the plan says so.
 */
export function watchedCodec(
  { plan, trace, verdict, frames }: SimClientOptions,
  goodbye: (name: string) => void,
): ClientCodec {
  const codec = plan.codec === "json" ? jsonClientCodec : msgpackClientCodec;
  const show = (direction: "<" | ">", frame: { readonly t: string }): void => {
    if (frames && frame.t !== "pub")
      trace.add(
        plan.name,
        `${direction} ${frame.t}`,
        JSON.stringify(frame).slice(0, FRAME_LENGTH_SHOWN),
      );
  };
  const watch = (frame: ServerFrame<unknown>): void => {
    show("<", frame);
    if (frame.t === "goodbye") goodbye(frame.name);
    if (frame.t === "goodbye" && SHAMES.has(frame.name))
      verdict.broken("bug", `${plan.name} was told goodbye ${frame.name}: ${frame.msg}`);
  };
  return {
    name: codec.name,
    subprotocol: codec.subprotocol,
    join: (parts) => codec.join(parts),
    encode: (frame) => {
      show(">", frame);
      if (!plan.repeats || frame.t !== "publish") return codec.encode(frame);
      // A client that repeats itself: the same publish again behind the first, under another
      // request id.
      return codec.join([
        codec.encode(frame),
        codec.encode({ ...frame, id: frame.id + REPEATED_ID }),
      ]);
    },
    decode: (message) => {
      const decoded = codec.decode(message);
      for (const frame of decoded) watch(frame);
      return decoded;
    },
  };
}
