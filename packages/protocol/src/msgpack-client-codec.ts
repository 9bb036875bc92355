// Owns: holdfast.v1+msgpack on a client.
import type { ClientCodec } from "./codec.ts";
import { type ServerFrame, SUBPROTOCOL_MSGPACK } from "./frames.ts";
import { unpack, unpackAll } from "./msgpack-read.ts";
import { concatenate } from "./msgpack-values.ts";
import { pack } from "./msgpack-write.ts";
import { plainData } from "./plain-data.ts";
import { liftFrame } from "./server-frame-lift.ts";

/**
 * MessagePack messages. Byte strings inside of data stay bytes; dates arrive as Date. What cannot
 * be written, and a message that breaks the protocol, is a TypeError.
 */
export const msgpackClientCodec: ClientCodec = {
  name: "msgpack",
  subprotocol: SUBPROTOCOL_MSGPACK,
  encode(frame) {
    const { data, ...members } = frame as typeof frame & { data?: unknown };
    if (data === undefined && frame.t !== "publish") return pack(members);
    if (data instanceof Uint8Array) return pack({ ...members, b: data });
    return pack({ ...members, d: pack(plainData(data, `send ${frame.t}`)) });
  },
  join: (frames) =>
    frames.length === 1 ? (frames[0] as Uint8Array) : concatenate(frames as readonly Uint8Array[]),
  decode(message) {
    if (typeof message === "string") throw new TypeError("Expected a binary message");
    try {
      const frames: ServerFrame<unknown>[] = [];
      // A plain view: what msgpackr cuts out of a runtime's own kind of buffer would be of that
      // kind too.
      const bytes = new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
      for (const map of unpackAll(bytes)) {
        const frame = liftFrame(map, ({ b, d }) => b ?? unpack(d as Uint8Array));
        if (frame) frames.push(frame);
      }
      return frames;
    } catch (cause) {
      throw new TypeError("Expected frames in MessagePack", { cause });
    }
  },
};
