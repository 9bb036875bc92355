// Owns: what the entry @holdfast/client/socket exports.
export {
  HoldfastSocket,
  type HoldfastSocketClass,
  type HoldfastSocketOptions,
} from "./holdfast-socket.ts";
export type { WebSocketClass } from "./raw-socket.ts";
