// Re-exports of the smallest client: no presence, no async iteration, no `getState`, and only the
// codec that is imported.
export { jsonClientCodec as json } from "@holdfast/protocol";
export type { ChannelCore } from "./channel.ts";
export { HoldfastCore } from "./core.ts";
export { HoldfastError } from "./engine/errors.ts";
