// Re-exports of the pure engine, for the simulator and for shells on other transports.
export { attemptDelayMs } from "./backoff.ts";
export { ClientEngine } from "./client-engine.ts";
export type { Stats } from "./counts.ts";
export type { GetToken, TokenReason } from "./credentials.ts";
export type { EngineContext, Feature } from "./engine-context.ts";
export { EngineCore } from "./engine-core.ts";
export type { EngineListener, EngineOptions, Hint } from "./engine-options.ts";
export type {
  ClientClock,
  ClientEnvironment,
  Transport,
  TransportHandlers,
} from "./environment.ts";
export { HoldfastError, type HoldfastErrorDetails } from "./errors.ts";
export type { MembersChange, RawMember } from "./members.ts";
export { Presence } from "./presence.ts";
export type { PublishDone, PublishOptions } from "./publisher.ts";
export type { State, StateChange } from "./state.ts";
export type { Gap, RawMessage, Recovered, StreamListener, StreamStart } from "./stream.ts";
export type { PresenceListener } from "./watches.ts";
