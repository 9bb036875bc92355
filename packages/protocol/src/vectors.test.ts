// Owns: the vectors of spec/vectors, replayed by all four codecs.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type {
  ClientCodec,
  ClientFrame,
  DecodeFault,
  Encoded,
  NodeCodec,
  Payload,
  ServerFrame,
} from "./index.ts";
import { jsonClientCodec } from "./index.ts";
import { msgpackClientCodec } from "./msgpack.ts";
import { pack } from "./msgpack-write.ts";
import {
  jsonNodeCodec,
  msgpackNodeCodec,
  payloadFromValue,
  payloadValue,
  transcode,
} from "./node.ts";

interface FrameVector {
  readonly name: string;
  readonly json: string;
  readonly msgpack: string;
  readonly frame: Members;
}

interface InvalidVector {
  readonly name: string;
  readonly json?: string;
  readonly msgpack?: string;
  readonly dataBytesMax?: number;
  readonly frames?: number;
  readonly fault: Pick<DecodeFault, "code" | "id" | "path">;
}

interface TranscodingVector {
  readonly name: string;
  readonly from: { readonly json?: string; readonly msgpack?: string };
  readonly to: { readonly json?: string; readonly msgpack?: string };
}

type Members = Record<string, unknown>;
type Codecs = {
  readonly key: "json" | "msgpack";
  readonly node: NodeCodec;
  readonly client: ClientCodec;
};

const LIMITS = { dataBytesMax: 65_536 };
const CODECS: readonly Codecs[] = [
  { key: "json", node: jsonNodeCodec, client: jsonClientCodec },
  { key: "msgpack", node: msgpackNodeCodec, client: msgpackClientCodec },
];

const read = <T>(file: string): readonly T[] =>
  JSON.parse(readFileSync(new URL(`../../../spec/vectors/${file}`, import.meta.url), "utf8"))
    .vectors as T[];
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const messageOf = (
  vector: { json?: string; msgpack?: string },
  key: "json" | "msgpack",
): Encoded | undefined => {
  if (key === "json") return vector.json;
  return vector.msgpack === undefined ? undefined : bytesOf(vector.msgpack);
};

/** A copy of a frame in which everything under `data` went through `change`. */
function withData(value: unknown, change: (data: unknown) => unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => withData(item, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      key === "data" ? change(item) : withData(item, change),
    ]),
  );
}

/** A vector's `data` as a client sees it. */
const plain = (frame: unknown): unknown =>
  withData(frame, (data) => {
    const { value, base64 } = data as { value?: unknown; base64?: string };
    return base64 === undefined ? value : new Uint8Array(Buffer.from(base64, "base64"));
  });
const parsed = (frame: unknown): unknown =>
  withData(frame, (data) => payloadValue(data as Payload));
const raw = (frame: unknown, form: "json" | "msgpack"): unknown =>
  withData(frame, (data) => payloadFromValue(data, form));

for (const { key, node, client } of CODECS) {
  for (const vector of read<FrameVector>("client-frames.json")) {
    test(`${key}: a node reads "${vector.name}" from the vector and from the client's codec`, () => {
      const expected = plain(vector.frame);
      const message = messageOf(vector, key) as Encoded;
      expect(node.decode(message, LIMITS).map(parsed)).toEqual([expected]);
      expect(
        node.decode(client.encode(expected as ClientFrame<unknown>), LIMITS).map(parsed),
      ).toEqual([expected]);
    });
  }

  for (const vector of read<FrameVector>("server-frames.json")) {
    test(`${key}: a client reads "${vector.name}" from the vector and from the node's codec in either form of data`, () => {
      const expected = plain(vector.frame) as ServerFrame<unknown>;
      expect(client.decode(messageOf(vector, key) as Encoded)).toEqual([expected]);
      for (const form of ["json", "msgpack"] as const) {
        expect(client.decode(node.encode(raw(expected, form) as ServerFrame))).toEqual([expected]);
      }
    });
  }

  for (const vector of read<InvalidVector>("invalid-client-frames.json")) {
    const message = messageOf(vector, key);
    if (message === undefined) continue;
    test(`${key}: a node refuses ${vector.name}`, () => {
      const items = node.decode(message, {
        dataBytesMax: vector.dataBytesMax ?? LIMITS.dataBytesMax,
      });
      const last = items.at(-1);
      expect(items.length).toBe((vector.frames ?? 0) + 1);
      if (last?.t !== "fault") throw new Error(`no fault but ${JSON.stringify(last)}`);
      const { message: text, ch, ...fault } = last.fault;
      // Where the two encodings find the same fault, they name the same member; a frame that is no
      // map has none.
      expect(fault).toEqual(vector.fault);
      // Only a refusal that is answered can wait for its turn.
      if (fault.id === undefined) expect(ch).toBeUndefined();
      expect(text).toMatch(/^Cannot read (a message|a frame|[a-z]+ frame): found .+, expected .+$/);
    });
  }
}

for (const vector of read<TranscodingVector>("transcoding.json")) {
  test(`transcoding: ${vector.name}`, () => {
    const from: Payload =
      vector.from.json === undefined
        ? { kind: "msgpack", bytes: bytesOf(vector.from.msgpack ?? "") }
        : { kind: "json", text: vector.from.json };
    if (from.kind === "msgpack") {
      const message = pack({ t: "publish", id: 1, ch: "a", d: from.bytes });
      expect(msgpackNodeCodec.decode(message, LIMITS)).toEqual([
        { t: "publish", id: 1, ch: "a", data: from },
      ]);
    }
    const to = transcode(from, vector.to.json === undefined ? "msgpack" : "json");
    if (to.kind === "json") expect(JSON.parse(to.text)).toEqual(JSON.parse(vector.to.json ?? ""));
    else
      expect(Buffer.from(to.kind === "msgpack" ? to.bytes : []).toString("hex")).toBe(
        vector.to.msgpack ?? "",
      );
  });
}

test("every type of frame has a vector", () => {
  const types = (file: string): Set<unknown> =>
    new Set(read<FrameVector>(file).map((vector) => vector.frame.t));
  expect(types("client-frames.json").size).toBe(16);
  expect(types("server-frames.json").size).toBe(15);
});
