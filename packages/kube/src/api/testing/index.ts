// Owns: what tests of other packages use: an API server that can be broken, and a client of it.
export { HostileServer } from "./hostile-server.ts";
export { accessTo, clientOf } from "./setting.ts";
