// Owns: how much of the broker's memory each user or address has, as far as clients of this node
// wrote it, and what it may have. For brokers that have no shares of their own.
import type { StreamOptions } from "@holdfast/contract";
import { lengthOf, type Payload } from "@holdfast/protocol";
import { PartyBytes } from "../pacing/party-bytes.ts";
import type { Broker, Clock, PublishResult } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import { HeldBytes, type Holder } from "./held-bytes.ts";

/** What the accounts need of the node. */
export interface KeptBytesNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly broker: Pick<Broker, "sharesRoom" | "usage">;
  settings(): Pick<NodeSettings, "limits">;
}

/** What a publication, or a member, takes besides its data. */
const ENTRY_BYTES = 160;
/** What a channel takes besides its publications, and for how long at least. */
const CHANNEL_BYTES = 512;
const CHANNEL_MS = 20 * 60_000;
/**
 * A party that has less is charged as if its publications displaced nothing: asking the broker for
 * that costs it a call.
 */
const MEASURED_FROM_BYTES = 1024 * 1024;

const HOUR_MS = 3_600_000;
const STATE_MS_MAX = 30 * 24 * HOUR_MS;
const STATE_MS = [HOUR_MS, 24 * HOUR_MS, 7 * 24 * HOUR_MS, STATE_MS_MAX];

/** Whose they are, and what the connection is present with. */
export interface PresentConnection {
  readonly party: string;
  readonly entries: ReadonlyMap<string, Payload | undefined> | undefined;
  /** What is charged for the entries. */
  present: Holder | undefined;
}

/**
 * Publications are charged to their party and fade over the retention of their channel
 * (party-bytes.ts). Presence is charged as long as the connection has it. A party has at most
 * `limits.keptBytesPerUserMax`, and at most as much as the broker has free. Memory: one account for
 * each party that has something, at most 100,000.
 */
export class KeptBytes {
  readonly #needs: KeptBytesNeeds;
  readonly #published = new PartyBytes();
  readonly #present = new HeldBytes(Number.POSITIVE_INFINITY);

  constructor(needs: KeptBytesNeeds) {
    this.#needs = needs;
  }

  /** Whether the party may have so many bytes more. */
  fits(party: string, bytes: number): boolean {
    const { broker, settings } = this.#needs;
    if (broker.sharesRoom) return true;
    const max = Math.min(settings().limits.keptBytesPerUserMax, freeBytes(broker));
    return this.#of(party) + bytes <= max;
  }

  mayPublish(party: string, stream: StreamOptions, payload: Payload): boolean {
    return !keeps(stream) || this.fits(party, bytesOf(payload));
  }

  /** State of a door. False: the party has too much, and nothing is charged. */
  keep(party: string, bytes: number, ttlMs: number): boolean {
    if (this.#needs.broker.sharesRoom) return true;
    if (!this.fits(party, bytes)) return false;
    const nowMs = this.#needs.clock.nowMs();
    // Clients choose such times: an account has a part for each that there is.
    const upMs = STATE_MS.find((one) => one >= ttlMs) ?? STATE_MS_MAX;
    this.#published.charge(party, { bytes, ttlMs: upMs, nowMs });
    return true;
  }

  /** Whether the broker is asked what a publication displaces. */
  isMeasured(party: string): boolean {
    return !this.#needs.broker.sharesRoom && this.#of(party) >= MEASURED_FROM_BYTES;
  }

  published(
    party: string,
    stream: StreamOptions,
    { payload, result }: { readonly payload: Payload; readonly result: PublishResult },
  ): void {
    if (this.#needs.broker.sharesRoom || result.duplicate) return;
    const nowMs = this.#needs.clock.nowMs();
    const { ttlMs } = stream;
    if (result.position.offset === 1)
      this.#published.charge(party, { bytes: CHANNEL_BYTES, ttlMs: CHANNEL_MS + ttlMs, nowMs });
    if (!keeps(stream)) return;
    const { bytes = bytesOf(payload), displaced } = result;
    this.#published.charge(party, { bytes, displaced, ttlMs, nowMs });
  }

  /** Whether the connection may be present in the channel with more than it is. */
  mayGrow(
    { party, entries }: PresentConnection,
    channel: string,
    data: Payload | undefined,
  ): boolean {
    const before = entries?.has(channel) === true ? bytesOf(entries.get(channel)) : 0;
    return this.fits(party, bytesOf(data) - before);
  }

  /** The entries of the connection have changed. */
  entered(connection: PresentConnection): void {
    if (this.#needs.broker.sharesRoom) return;
    let bytes = 0;
    for (const data of connection.entries?.values() ?? []) bytes += bytesOf(data);
    connection.present ??= { party: connection.party, heldBytes: 0 };
    const more = bytes - connection.present.heldBytes;
    if (more > 0) this.#present.add(connection.present, more);
    else this.#present.release(connection.present, -more);
  }

  #of(party: string): number {
    return this.#published.of(party, this.#needs.clock.nowMs()) + this.#present.of(party);
  }
}

const keeps = ({ cls, sizeMax }: StreamOptions): boolean => cls !== "volatile" && sizeMax > 0;

const bytesOf = (data: Payload | undefined): number =>
  ENTRY_BYTES + (data === undefined ? 0 : lengthOf(data));

function freeBytes(broker: Pick<Broker, "usage">): number {
  const { bytes = 0, bytesMax = Number.POSITIVE_INFINITY } = broker.usage() ?? {};
  return Math.max(0, bytesMax - bytes);
}
