// Owns: MessagePack for the client, apart from its core so that JSON clients do not carry it.
export { msgpackClientCodec as msgpack } from "@holdfast/protocol/msgpack";
