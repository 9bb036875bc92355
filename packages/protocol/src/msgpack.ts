// Re-exports of the MessagePack codecs, apart from the package's main entry so that JSON clients do
// not carry msgpackr.
export { msgpackClientCodec } from "./msgpack-client-codec.ts";
export { msgpackNodeCodec } from "./msgpack-node-codec.ts";
