// Re-exports of the brokers that a node can use.
export {
  connectLink,
  LINK_CLIENT_LIMITS,
  type LinkClientEvent,
  type LinkClientLimits,
  type LinkClientOptions,
} from "./connect-link.ts";
export { formatLink, type LinkAddress, type LinkEndpoint, parseLink } from "./link-address.ts";
export { createLinkSecret } from "./link-auth.ts";

export { LinkListenError, type LinkPlace } from "./link-listener.ts";
export {
  createLinkServer,
  LINK_SERVER_LIMITS,
  type LinkServer,
  type LinkServerEvent,
  type LinkServerLimits,
  type LinkServerOptions,
} from "./link-server.ts";
