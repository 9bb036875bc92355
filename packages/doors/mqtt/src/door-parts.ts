// Owns: what the door's clients share.

import type { Identity } from "@holdfast/contract";
import type { Clock, Connection, DoorEngine, Random, StateStore } from "@holdfast/core";
import type { CodeName } from "@holdfast/protocol";
import type { Version } from "./decode.ts";
import type { Discovery } from "./discovery.ts";
import type { Leases } from "./leases.ts";
import type { Messages } from "./message.ts";
import type { MqttSettings } from "./settings.ts";
import type { Shares } from "./shares.ts";
import type { TakeOvers } from "./take-overs.ts";
import type { Topics } from "./topics.ts";
import type { Totals } from "./totals.ts";
import type { WillOutcome } from "./will-carrier.ts";
import type { WillMessage } from "./will-record.ts";
import type { Wills } from "./wills.ts";

/** What the transport knows of a client before its first byte. */
export interface Accepted {
  /** Of its certificate. Absent: it has none, or no rule maps it to a user. */
  readonly identity?: Identity;
}

/** What the door tells of itself, for metrics. MUST NOT throw. */
export interface MqttObserver {
  /** A publish was refused for good. */
  refused(code: CodeName): void;
  /** A client has its CONNACK. `closed` follows once. */
  opened(outcome: "new" | "resumed", version: Version): void;
  closed(version: Version): void;
  /** Another connection of a client took its session. */
  takenOver(): void;
  /** A connection waits for its session: others take it too often. */
  takeOverDelayed(): void;
  /**
   * The node refused a connection (`connack`) or ended it, with this reason of MQTT 5, in
   * snake_case. Clients of 3.1.1 are told less.
   */
  ended(reason: string, where: "connack" | "disconnect"): void;
  /** What became of a client's will. */
  willEnded(outcome: WillOutcome): void;
  /** So many wills of a node that has died are carried out here. */
  willsAdopted(count: number): void;
  bug(where: string, error: unknown): void;
}

export interface DoorParts {
  readonly engine: DoorEngine;
  readonly clock: Clock;
  readonly random: Random;
  readonly topics: Topics;
  readonly messages: Messages;
  readonly discovery: Discovery;
  readonly leases: Leases;
  readonly states: StateStore;
  readonly wills: Wills;
  readonly takeOvers: TakeOvers;
  readonly totals: Totals;
  readonly shares: Shares;
  /** Names this start of the node, for owners of states. */
  readonly lifeId: string;
  readonly observer: MqttObserver;
  isLatest(channel: string): boolean;
  maySubscribe(connection: Connection, channel: string): boolean | Promise<boolean>;
  /** Whether the client may publish it, and it is as the contract wants it. */
  mayPublish(connection: Connection, message: WillMessage): boolean | Promise<boolean>;
  settings(): MqttSettings;
}
