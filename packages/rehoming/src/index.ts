// Owns: what the package exports.

export type { CohortWeights } from "./endpoints/cohorts.ts";
export type { Endpoint, EndpointState } from "./endpoints/endpoint.ts";
export { EndpointTable } from "./endpoints/endpoint-table.ts";
export type { EndpointFelt } from "./endpoints/felt.ts";
export { HEALTH_LIMITS, type HealthLimits } from "./endpoints/health.ts";
export { unitHash } from "./endpoints/rendezvous.ts";
export type { Choice, EndpointTableOptions, OrderResult } from "./endpoints/table-ports.ts";
export { bytesOf, type Frame } from "./frame.ts";
export { HeldClient } from "./held-client.ts";
export {
  type ClientSide,
  FIRST_HOME,
  HELD_LIMITS,
  type HeldClock,
  type HeldLimits,
  type HeldObserver,
  type HeldPorts,
  type HomeId,
  type MoveCause,
  type Room,
  type UpstreamSide,
} from "./ports.ts";
export type {
  Cancel,
  Profile,
  ProfileOut,
  ProfileSession,
  Released,
  Saved,
  Subprotocols,
} from "./profile.ts";
export { type GraphqlRules, graphqlTransportWs } from "./profiles/graphql.ts";
export { HANDOFF_RULES, type HandoffRules, handoff } from "./profiles/handoff.ts";
export type { Match } from "./profiles/match.ts";
export { MQTT_RULES, type MqttRules, mqtt } from "./profiles/mqtt.ts";
export { none } from "./profiles/none.ts";
export { type Remembered, type ReplayRules, replay } from "./profiles/replay.ts";
export { type SocketIoRules, socketioProfile } from "./profiles/socketio.ts";
export { stateless } from "./profiles/stateless.ts";
export { type YjsRules, yjsProfile } from "./profiles/yjs.ts";
