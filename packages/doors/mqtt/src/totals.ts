// Owns: what the clients of a node's door have together, for metrics.
import { REASON } from "./reason.ts";

/** Packets by their type (MQTT 5, table 2-1). */
const PACKETS = [
  "reserved",
  "connect",
  "connack",
  "publish",
  "puback",
  "pubrec",
  "pubrel",
  "pubcomp",
  "subscribe",
  "suback",
  "unsubscribe",
  "unsuback",
  "pingreq",
  "pingresp",
  "disconnect",
  "auth",
] as const;

export interface MqttFigures {
  /** Since the start, by type. */
  readonly received: Readonly<Record<string, number>>;
  readonly sent: Readonly<Record<string, number>>;
  /** Messages of QoS 1 and 2 that clients have not acknowledged. */
  readonly inFlight: number;
  /** Messages that wait for that, in bytes. */
  readonly waitingBytes: number;
  /** Sessions that connections of the node have, and what the broker keeps of them, about. */
  readonly sessions: number;
  readonly sessionBytes: number;
  /** Data of messages that clients asked to retain, since the start. */
  readonly retainedBytes: number;
  /** Wills whose connections have ended. */
  readonly waitingWills: number;
  /** Searches of filters with wildcards: beginnings of channels' names that are looked at. */
  readonly searches: number;
}

/** Counted where it happens; nothing is looked for at a scrape. */
export class Totals {
  readonly received: number[] = PACKETS.map(() => 0);
  readonly sent: number[] = PACKETS.map(() => 0);
  inFlight = 0;
  waitingBytes = 0;
  sessions = 0;
  sessionBytes = 0;
  retainedBytes = 0;

  /** A packet leaves. */
  leaves(packet: Uint8Array): void {
    const type = (packet[0] as number) >> 4;
    this.sent[type] = (this.sent[type] as number) + 1;
  }

  came(type: number): void {
    this.received[type] = (this.received[type] as number) + 1;
  }

  figures(): Omit<MqttFigures, "waitingWills" | "searches"> {
    const { inFlight, waitingBytes, sessions, sessionBytes, retainedBytes } = this;
    return {
      ...{ inFlight, waitingBytes, sessions, sessionBytes, retainedBytes },
      received: byName(this.received),
      sent: byName(this.sent),
    };
  }
}

/** Types that never came are left out. */
const byName = (counts: readonly number[]): Readonly<Record<string, number>> =>
  Object.fromEntries(
    counts.flatMap((count, type) => (count === 0 ? [] : [[PACKETS[type], count]])),
  );

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(REASON).map(([name, reason]) => [
    reason,
    name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  ]),
);

/** A reason code's name in snake_case. */
export const reasonName = (reason: number): string => NAMES.get(reason) ?? "unspecified";
