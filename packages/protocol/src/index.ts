// Re-exports of the protocol package. A node's codecs are in `@holdfast/protocol/node`, MessagePack
// in `@holdfast/protocol/msgpack`.
export * from "./codec.ts";
export * from "./codes.ts";
export * from "./frames.ts";
export * from "./gap.ts";
export { jsonClientCodec } from "./json-client-codec.ts";
export * from "./limits.ts";
export * from "./payload.ts";
export { dataCopy } from "./plain-data.ts";
export { fitsUtf8 } from "./utf8.ts";
export { WIRE } from "./wire-version.ts";
