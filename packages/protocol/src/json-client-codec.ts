// Owns: holdfast.v1 in JSON on a client. Part of the browser SDK's core: small before clever.
import { fromBase64, toBase64 } from "./base64.ts";
import type { ClientCodec } from "./codec.ts";
import { type ServerFrame, SUBPROTOCOL_JSON } from "./frames.ts";
import { plainData } from "./plain-data.ts";
import { liftFrame } from "./server-frame-lift.ts";

/**
 * JSON text messages. Data that JSON cannot express (undefined, a function, a BigInt, a cycle) is a
 * TypeError; so is a message that breaks the protocol.
 */
export const jsonClientCodec: ClientCodec = {
  name: "json",
  subprotocol: SUBPROTOCOL_JSON,
  encode(frame) {
    const { data, ...members } = frame as typeof frame & { data?: unknown };
    const head = JSON.stringify(members);
    if (data === undefined && frame.t !== "publish") return head;
    const isBytes = data instanceof Uint8Array;
    const plain = isBytes ? toBase64(data) : plainData(data, `send ${frame.t}`);
    return `${head.slice(0, -1)},"${isBytes ? "b" : "d"}":${JSON.stringify(plain)}}`;
  },
  join: (frames) => frames.join("\n"),
  decode(message) {
    if (typeof message !== "string") throw new TypeError("Expected a text message");
    const frames: ServerFrame<unknown>[] = [];
    for (const line of message.split("\n")) {
      const frame = liftFrame(parse(line), (map) => ("b" in map ? bytesOf(map.b) : map.d));
      if (frame) frames.push(frame);
    }
    return frames;
  },
};

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw new TypeError("Expected a frame in JSON", { cause });
  }
}

function bytesOf(value: unknown): Uint8Array {
  const bytes = typeof value === "string" ? fromBase64(value) : undefined;
  if (!bytes) throw new TypeError("Expected base64");
  return bytes;
}
