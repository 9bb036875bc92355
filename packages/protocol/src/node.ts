// Owns: what a node needs of the protocol: both codecs, ready for use, and the values behind
// payloads.
import type { NodeCodec } from "./codec.ts";
import type { CodecName } from "./frames.ts";
import { createJsonNodeCodec } from "./json-node-codec.ts";
import { msgpackNodeCodec } from "./msgpack-node-codec.ts";
import { jsonTextOf } from "./msgpack-values.ts";

export { toBase64 as base64Of } from "./base64.ts";
export { type JsonProblem, jsonProblem } from "./json-problem.ts";
export { PayloadError, payloadBytes, samePayload } from "./payload.ts";
export { payloadFromValue, payloadValue, transcode } from "./payload-values.ts";
export { textBytes, textOf, writeText } from "./text-bytes.ts";
export { isUtf8, utf8Length } from "./utf8.ts";
export { msgpackNodeCodec };

/** JSON messages for nodes. MessagePack payloads are transcoded. */
export const jsonNodeCodec: NodeCodec = createJsonNodeCodec(jsonTextOf);

/** The codec of each name. */
export const NODE_CODECS: Readonly<Record<CodecName, NodeCodec>> = {
  json: jsonNodeCodec,
  msgpack: msgpackNodeCodec,
};
