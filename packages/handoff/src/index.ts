// Owns: what applications import.
export {
  type BunSocket,
  type HandoffDoor,
  type HandoffOptions,
  handoff,
  type WsSocket,
} from "./door.ts";
export { HandoffError, type HandoffErrorCode } from "./handoff-error.ts";
export type { HandoffHandlers, HandoffSession, SendOptions } from "./handoff-session.ts";
