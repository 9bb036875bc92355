// Owns: what the gateway is made of, for the program and for tests.
export { Departures, type DeparturesOptions } from "./departures.ts";
export { Gateway, type GatewayOptions } from "./gateway.ts";
export { HeldSocket } from "./held-socket.ts";
export { type Route, routeOf } from "./route.ts";
export { type Opening, openUpstream } from "./upstream-socket.ts";
