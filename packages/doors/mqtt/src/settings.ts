// Owns: every number that the door obeys. packages/server/src/options has one option for each.
import type { TopicRow } from "./topics.ts";

export interface MqttSettings {
  readonly topics: readonly TopicRow[];
  /** Silence that a client may announce; 1.5 times that ends it. In seconds, at most 65,535. */
  readonly keepAliveSecondsMax: number;
  /** Messages of QoS 1 and 2 of a client that are not acknowledged yet. */
  readonly receiveMax: number;
  /** The same to a client, if it takes as many. */
  readonly inFlightMax: number;
  /** Topic aliases of a connection, in each direction. */
  readonly topicAliasMax: number;
  /** How long a session is kept without a connection, at most. In seconds. */
  readonly sessionExpirySecondsMax: number;
  /** Filters of a session. */
  readonly filtersMax: number;
  /** Channels that the filters of a session look into. */
  readonly channelsMax: number;
  /** Time between two looks for new channels that fit filters with wildcards. */
  readonly lookMs: number;
}
