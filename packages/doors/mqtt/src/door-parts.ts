// Owns: what the door's clients share.

import type { Identity } from "@holdfast/contract";
import type { Clock, DoorEngine, Random } from "@holdfast/core";
import type { CodeName } from "@holdfast/protocol";
import type { MqttClient } from "./client.ts";
import type { Discovery } from "./discovery.ts";
import type { Messages } from "./message.ts";
import type { MqttSettings } from "./settings.ts";
import type { Topics } from "./topics.ts";

/** What the transport knows of a client before its first byte. */
export interface Accepted {
  /** Of its certificate. Absent: it has none, or no rule maps it to a user. */
  readonly identity?: Identity;
}

/** What the door tells of itself, for metrics. MUST NOT throw. */
export interface MqttObserver {
  /** A publish was refused for good. */
  refused(code: CodeName): void;
}

export interface DoorParts {
  readonly engine: DoorEngine;
  readonly clock: Clock;
  readonly random: Random;
  readonly topics: Topics;
  readonly messages: Messages;
  readonly discovery: Discovery;
  readonly registry: Registry;
  readonly observer: MqttObserver;
  isLatest(channel: string): boolean;
  settings(): MqttSettings;
}

/** Which connection has a client identifier on this node: at most one for each. */
export class Registry {
  readonly #clients = new Map<string, MqttClient>();

  begin(key: string, client: MqttClient): void {
    const before = this.#clients.get(key);
    this.#clients.set(key, client);
    before?.takenOver();
  }

  end(key: string, client: MqttClient): void {
    if (this.#clients.get(key) === client) this.#clients.delete(key);
  }
}
