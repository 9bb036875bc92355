// Owns: what simulations of HoldfastSocket import; users do not.
export { SocketEngine } from "./socket-engine.ts";
export type { SocketEnd, SocketPorts, SocketRules } from "./socket-ports.ts";
