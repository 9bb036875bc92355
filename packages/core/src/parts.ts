// Owns: what the parts of a node's engine share.

import type { Contract, PayloadValues } from "@holdfast/contract";
import type { CodecName, NodeCodec } from "@holdfast/protocol";
import type { HubPorts, Hubs } from "./channel/hubs.ts";
import type { Vitals } from "./fleet/fleet-member.ts";
import type { Observer } from "./observer.ts";
import type { Authenticator, Broker, Clock, Groups, Random } from "./ports.ts";
import type { PresenceKeeper } from "./presence/presence-keeper.ts";
import type { Rates } from "./session/rates.ts";
import type { Sessions } from "./session/sessions.ts";
import type { NodeSettings } from "./settings.ts";

/** What an engine is given. It has no other way to the world. */
export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Broker;
  readonly authenticator: Authenticator;
  readonly contract: Contract;
  readonly observer: Observer;
  readonly groups: Groups;
  readonly codecs: Readonly<Record<CodecName, NodeCodec>>;
  readonly values: PayloadValues;
  readonly settings: NodeSettings;
  /** What the process measures of itself. Absent: nothing. */
  readonly vitals?: () => Vitals;
}

export interface NodeParts
  extends Pick<
    NodePorts,
    "clock" | "random" | "broker" | "authenticator" | "contract" | "observer" | "values"
  > {
  readonly hubPorts: HubPorts;
  readonly hubs: Hubs;
  readonly rates: Rates;
  readonly sessions: Sessions;
  readonly presenceKeeper: PresenceKeeper;
  /** The settings now in force. */
  settings(): NodeSettings;
  /** Runs work that nobody awaits; a rejection is reported as a bug. */
  background(what: string, work: Promise<unknown>): void;
}
