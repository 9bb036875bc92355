// Owns: frames as the vectors write them, as messages of each encoding and back; made without the
// codecs that the vectors test.
import { Packr } from "msgpackr";
import { fromBase64, toBase64 } from "./base64.ts";
import { SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK } from "./frames.ts";
import { concatenate } from "./msgpack-values.ts";
import type { VectorFrame } from "./session-vectors.ts";

/**
 * One encoding of vector frames. Nothing is checked but that a message can be taken apart: frames
 * may break the protocol.
 */
export interface VectorWire {
  readonly subprotocol: string;
  /** One message with these frames. */
  encode(frames: readonly VectorFrame[]): string | Uint8Array;
  /** The frames of one message; a message of the wrong kind is a TypeError. */
  decode(message: string | Uint8Array): VectorFrame[];
}

const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: "number" });
/** Members whose entries carry data of their own. */
const LISTS = ["pubs", "list", "join", "update"];

const json: VectorWire = {
  subprotocol: SUBPROTOCOL_JSON,
  encode: (frames) => frames.map((frame) => JSON.stringify(frame)).join("\n"),
  decode(message) {
    if (typeof message !== "string")
      throw new TypeError("Cannot read the message: found bytes, expected text");
    return message.split("\n").map((line) => JSON.parse(line) as VectorFrame);
  },
};

const msgpack: VectorWire = {
  subprotocol: SUBPROTOCOL_MSGPACK,
  encode: (frames) =>
    concatenate(frames.map((frame) => packr.pack(changed(frame, toBin)) as Uint8Array)),
  decode(message) {
    if (typeof message === "string")
      throw new TypeError("Cannot read the message: found text, expected bytes");
    return (packr.unpackMultiple(message) as VectorFrame[]).map((frame) => changed(frame, fromBin));
  },
};

/** How the frames of session vectors are written and read in each codec. */
export const VECTOR_WIRES: Readonly<Record<"json" | "msgpack", VectorWire>> = { json, msgpack };

type ChangeData = (name: "d" | "b", value: unknown) => unknown;

/** The frame with its own data and that of its entries changed, every member in its place. */
function changed(frame: VectorFrame, change: ChangeData): VectorFrame {
  return changeData(frame, change, (name, value) =>
    LISTS.includes(name) && Array.isArray(value)
      ? value.map((entry) => changeData(entry as VectorFrame, change))
      : value,
  );
}

function changeData(
  map: VectorFrame,
  change: ChangeData,
  other = (_name: string, value: unknown): unknown => value,
): VectorFrame {
  return Object.fromEntries(
    Object.entries(map).map(([name, value]) => [
      name,
      name === "d" || name === "b" ? change(name, value) : other(name, value),
    ]),
  );
}

const toBin: ChangeData = (name, value) => {
  if (name === "d") return packr.pack(value);
  return typeof value === "string" ? (fromBase64(value) ?? value) : value;
};

const fromBin: ChangeData = (name, value) => {
  if (!(value instanceof Uint8Array)) throw new TypeError(`Expected a bin in ${name}`);
  return name === "d" ? packr.unpack(value) : toBase64(value);
};
