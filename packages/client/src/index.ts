// Re-exports of the client.
export type {
  Acknowledged,
  ChannelPublishOptions,
  HistoryOptions,
  HistoryPage,
} from "./channel.ts";
export { type HoldfastEvents, type RpcOptions, VERSION } from "./core.ts";
export type { Stats } from "./engine/counts.ts";
export type { GetToken, TokenReason } from "./engine/credentials.ts";
export { HoldfastError, type HoldfastErrorDetails } from "./engine/errors.ts";
export type { State, StateChange, StateReason } from "./engine/state.ts";
export type { Gap, Recovered } from "./engine/stream.ts";
export { type Channel, Holdfast } from "./holdfast.ts";
export type { IteratedMessage, MessagesOptions } from "./messages.ts";
export type { HoldfastOptions, WebSocketConstructor, WebSocketLike } from "./options.ts";
export type { PresenceEvents, PresenceHandle, WaitOptions } from "./presence-handle.ts";
export type { ResyncOptions } from "./resync.ts";
export type { SubscribeOptions, Subscription, SubscriptionEvents } from "./subscription.ts";
export type {
  Member,
  Message,
  MethodInput,
  MethodOutput,
  Methods,
  Names,
  PresenceChange,
  PresenceData,
  Published,
  Received,
} from "./types.ts";
