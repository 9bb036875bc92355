// Owns: what the gateway is made of, for the program and for tests.
export { Balancing, type BalancingOptions } from "./balancing.ts";
export { Departures, type DeparturesOptions } from "./departures.ts";
export { Gateway } from "./gateway.ts";
export type { GatewayCounts, GatewayOptions, Turned } from "./gateway-ports.ts";
export { type GoodbyeTerms, sayGoodbye } from "./goodbyes.ts";
export { HeldSocket } from "./held-socket.ts";
export { partyOf } from "./places.ts";
export { type Route, routeOf } from "./route.ts";
export type { ClientFacts, PeerFacts } from "./upstream-headers.ts";
export { type Opening, openUpstream } from "./upstream-socket.ts";
export { fetchTls, type UpstreamTls } from "./upstream-tls.ts";
