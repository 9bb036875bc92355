// Owns: what a client has subscribed to, for a broker that does not know it.
import {
  bytesOfU16,
  idOf,
  type Packet,
  packetOf,
  propertiesAt,
  SUBSCRIBE,
  textEnd,
} from "./mqtt-packets.ts";

const REFUSED = 0x80;
const FIRST_BYTE = (SUBSCRIBE << 4) | 2;
const NO_PROPERTIES = new Uint8Array(1);
/** Filters in one packet, so that it stays below what brokers take. */
const FILTERS_MAX = 100;

interface Subscription {
  /** Text with its length, and options. */
  readonly entry: Uint8Array;
  /** With their length; none in MQTT 3.1.1. */
  readonly properties: Uint8Array;
}

export class Subscriptions {
  readonly #isV5: boolean;
  /** By the filter's bytes as characters. */
  readonly #all = new Map<string, Subscription>();
  bytes = 0;

  constructor(isV5: boolean) {
    this.#isV5 = isV5;
  }

  get count(): number {
    return this.#all.size;
  }

  /** The broker answered a SUBSCRIBE. */
  subscribed(request: Packet, answer: Packet): void {
    const { properties, entries } = this.#read(request, 1);
    const codes = this.#codes(answer);
    for (const [i, entry] of entries.entries())
      if ((codes[i] ?? REFUSED) < REFUSED) this.#add(entry, properties);
  }

  /** The broker answered an UNSUBSCRIBE. */
  unsubscribed(request: Packet): void {
    for (const entry of this.#read(request, 0).entries) this.#remove(nameOf(entry, entry.length));
  }

  /** SUBSCRIBE packets with ids from 1. */
  again(): readonly Uint8Array[] {
    const groups = new Map<string, Subscription[]>();
    for (const one of this.#all.values()) {
      const key = String.fromCharCode(...one.properties);
      groups.set(key, [...(groups.get(key) ?? []), one]);
    }
    const packets: Uint8Array[] = [];
    for (const group of groups.values()) {
      for (let from = 0; from < group.length; from += FILTERS_MAX) {
        const some = group.slice(from, from + FILTERS_MAX);
        const properties = some[0]?.properties ?? NO_PROPERTIES;
        const entries = some.map(({ entry }) => entry);
        const parts = [bytesOfU16(packets.length + 1), properties, ...entries];
        packets.push(packetOf(FIRST_BYTE, parts));
      }
    }
    return packets;
  }

  /** Whether an answer to one of these refuses a part of it. */
  isRefusal(answer: Packet): boolean {
    return this.#codes(answer).some((code) => code >= REFUSED);
  }

  #add(entry: Uint8Array, properties: Uint8Array): void {
    const name = nameOf(entry, entry.length - 1);
    this.#remove(name);
    this.#all.set(name, { entry, properties });
    this.bytes += 64 + entry.length + properties.length;
  }

  #remove(name: string): void {
    const known = this.#all.get(name);
    if (known === undefined) return;
    this.#all.delete(name);
    this.bytes -= 64 + known.entry.length + known.properties.length;
  }

  #read(
    { bytes, at }: Packet,
    optionBytes: number,
  ): { readonly properties: Uint8Array; readonly entries: readonly Uint8Array[] } {
    const from = at + 2;
    const to = this.#isV5 ? propertiesAt(bytes, from)?.to : from;
    const entries: Uint8Array[] = [];
    for (let next = to; next !== undefined && next < bytes.length; ) {
      const end = textEnd(bytes, next);
      if (end === undefined) break;
      entries.push(bytes.slice(next, end + optionBytes));
      next = end + optionBytes;
    }
    return { properties: bytes.slice(from, to ?? from), entries };
  }

  #codes(answer: Packet): readonly number[] {
    const { bytes, at } = answer;
    const from = at + 2;
    const to = this.#isV5 ? (propertiesAt(bytes, from)?.to ?? bytes.length) : from;
    return idOf(answer) === undefined ? [] : [...bytes.subarray(to)];
  }
}

const nameOf = (entry: Uint8Array, end: number): string => {
  let name = "";
  for (const byte of entry.subarray(2, end)) name += String.fromCharCode(byte);
  return name;
};
