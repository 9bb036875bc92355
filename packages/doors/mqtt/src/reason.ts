// Owns: MQTT's reason codes, and which of them says which condition of the engine.
import type { CodeName } from "@holdfast/protocol";

/** Reason codes of MQTT 5 (section 2.4) that this door sends or looks at. */
export const REASON = {
  success: 0x00,
  normalDisconnection: 0x00,
  disconnectWithWill: 0x04,
  noMatchingSubscribers: 0x10,
  noSubscriptionExisted: 0x11,
  unspecified: 0x80,
  malformedPacket: 0x81,
  protocolError: 0x82,
  implementationSpecific: 0x83,
  unsupportedVersion: 0x84,
  clientIdInvalid: 0x85,
  badUserNameOrPassword: 0x86,
  notAuthorized: 0x87,
  serverUnavailable: 0x88,
  serverBusy: 0x89,
  banned: 0x8a,
  badAuthenticationMethod: 0x8c,
  keepAliveTimeout: 0x8d,
  sessionTakenOver: 0x8e,
  topicFilterInvalid: 0x8f,
  topicNameInvalid: 0x90,
  packetIdInUse: 0x91,
  packetIdNotFound: 0x92,
  receiveMaximumExceeded: 0x93,
  topicAliasInvalid: 0x94,
  packetTooLarge: 0x95,
  messageRateTooHigh: 0x96,
  quotaExceeded: 0x97,
  administrativeAction: 0x98,
  payloadFormatInvalid: 0x99,
  retainNotSupported: 0x9a,
  qosNotSupported: 0x9b,
  useAnotherServer: 0x9c,
  sharedNotSupported: 0x9e,
  connectionRateExceeded: 0x9f,
  subscriptionIdsNotSupported: 0xa1,
} as const;

/** What a client did wrong. `reason` is one of `REASON`; the text has no payload, no secret. */
export interface Fault {
  readonly reason: number;
  readonly text: string;
}

/** Return codes of CONNACK in MQTT 3.1.1 (table 3.1). */
const RETURN = { version: 1, clientId: 2, unavailable: 3, badLogin: 4, notAuthorized: 5 } as const;

const RETURN_OF: Readonly<Record<number, number>> = {
  [REASON.unsupportedVersion]: RETURN.version,
  [REASON.clientIdInvalid]: RETURN.clientId,
  [REASON.badUserNameOrPassword]: RETURN.badLogin,
  [REASON.notAuthorized]: RETURN.notAuthorized,
  [REASON.banned]: RETURN.notAuthorized,
  [REASON.badAuthenticationMethod]: RETURN.notAuthorized,
};

/** The return code of MQTT 3.1.1 that says most of a reason for which a CONNECT is refused. */
export const returnCodeOf = (reason: number): number => RETURN_OF[reason] ?? RETURN.unavailable;

const CONNACK_OF: Readonly<Partial<Record<CodeName, number>>> = {
  try_later: REASON.serverBusy,
  connection_limit: REASON.quotaExceeded,
  draining: REASON.useAnotherServer,
  unauthorized: REASON.badUserNameOrPassword,
  token_invalid: REASON.badUserNameOrPassword,
  token_expired: REASON.badUserNameOrPassword,
  rejected_connect: REASON.notAuthorized,
  banned: REASON.banned,
  broker_lost: REASON.serverUnavailable,
  flooded: REASON.quotaExceeded,
  frame_too_large: REASON.packetTooLarge,
  version_unsupported: REASON.unsupportedVersion,
};

/** What CONNACK says if the engine refuses the client. */
export const connackReason = (code: CodeName): number =>
  CONNACK_OF[code] ?? REASON.implementationSpecific;

const DISCONNECT_OF: Readonly<Partial<Record<CodeName, number>>> = {
  try_later: REASON.serverBusy,
  draining: REASON.useAnotherServer,
  slow_consumer: REASON.quotaExceeded,
  idle_timeout: REASON.keepAliveTimeout,
  token_expired: REASON.notAuthorized,
  connection_limit: REASON.quotaExceeded,
  disconnected: REASON.administrativeAction,
  banned: REASON.administrativeAction,
  broker_lost: REASON.serverBusy,
  flooded: REASON.messageRateTooHigh,
  session_replaced: REASON.sessionTakenOver,
  frame_invalid: REASON.protocolError,
  frame_too_large: REASON.packetTooLarge,
  internal: REASON.implementationSpecific,
};

/** What DISCONNECT says if the engine ends the connection. */
export const disconnectReason = (code: CodeName): number =>
  DISCONNECT_OF[code] ?? REASON.unspecified;

const PUBACK_OF: Readonly<Partial<Record<CodeName, number>>> = {
  permission_denied: REASON.notAuthorized,
  channel_unknown: REASON.topicNameInvalid,
  channel_invalid: REASON.topicNameInvalid,
  payload_invalid: REASON.payloadFormatInvalid,
  payload_too_large: REASON.quotaExceeded,
  rejected: REASON.implementationSpecific,
};

/** What PUBACK and PUBREC say of a publish that will never succeed. */
export const pubackReason = (code: CodeName): number =>
  PUBACK_OF[code] ?? REASON.implementationSpecific;

const SUBACK_OF: Readonly<Partial<Record<CodeName, number>>> = {
  permission_denied: REASON.notAuthorized,
  rejected: REASON.notAuthorized,
  channel_unknown: REASON.topicFilterInvalid,
  channel_invalid: REASON.topicFilterInvalid,
  subscription_limit: REASON.quotaExceeded,
  rate_limited: REASON.quotaExceeded,
};

/** What SUBACK says of a filter whose channel the engine refused. */
export const subackReason = (code: CodeName): number => SUBACK_OF[code] ?? REASON.unspecified;

/** Refusals whose cause passes: what was asked for is asked for again. */
export const PASSING: ReadonlySet<CodeName> = new Set<CodeName>([
  "rate_limited",
  "broker_busy",
  "broker_full",
  "broker_unavailable",
  "broker_refused",
  "request_failed",
]);
