// Owns: the ids of events: where every channel of a stream goes on, in one line of text. Pure.
import { EPOCH_LENGTH_MAX, type Position } from "@holdfast/protocol";

/**
 * Most channels of one stream: every event's id carries the position of each, about 16 characters.
 */
export const CHANNELS_MAX = 32;
/** Longest id that is read. Headers have 16 KiB together. */
export const ID_LENGTH_MAX = 8_192;

const PREFIX = "1";
const SEPARATOR = "~";
/** Stands before what a transport adds to an id; `readPlaces` takes an id without it. */
export const SEAL = "!";

/** Where each channel of a stream goes on. A channel that is absent begins at its head. */
export type Places = ReadonlyMap<string, Position>;

/**
 * The places of one stream while it runs, and their text. A place that did not move costs nothing
 * but the joining.
 */
export class PlaceWriter {
  readonly #order: readonly string[];
  readonly #parts = new Map<string, string>();
  readonly #heads = new Map<string, { readonly epoch: string; readonly text: string }>();
  #text: string | undefined;

  /** `channels`: at most CHANNELS_MAX names, in the order of the request. */
  constructor(channels: readonly string[], places: Places) {
    this.#order = channels;
    for (const channel of channels) {
      const place = places.get(channel);
      if (place !== undefined) this.set(channel, place);
    }
  }

  set(channel: string, { epoch, offset }: Position): void {
    let head = this.#heads.get(channel);
    if (head?.epoch !== epoch) {
      head = { epoch, text: `${tagOf(channel)}${escaped(epoch)}.` };
      this.#heads.set(channel, head);
    }
    this.#parts.set(channel, head.text + offset.toString(36));
    this.#text = undefined;
  }

  /** On in the same epoch. */
  move(channel: string, offset: number): void {
    const head = this.#heads.get(channel);
    if (head === undefined) return;
    this.#parts.set(channel, head.text + offset.toString(36));
    this.#text = undefined;
  }

  /** One line without spaces; ASCII. */
  get text(): string {
    this.#text ??=
      PREFIX + this.#order.flatMap((channel) => this.#parts.get(channel) ?? []).join(SEPARATOR);
    return this.#text;
  }
}

/**
 * Reads the id of an event. It needs no signature: it says where to go on, which every client may
 * ask for, and each subscription is checked like any other. A forged one gets what a wrong position
 * gets: a gap, or what the channel keeps. Channels that it does not name begin at their head.
 * "invalid": it is none of ours.
 */
export function readPlaces(text: string, channels: readonly string[]): Places | "invalid" {
  if (text.length > ID_LENGTH_MAX || !text.startsWith(PREFIX)) return "invalid";
  const byTag = new Map(channels.map((channel) => [tagOf(channel), channel]));
  const places = new Map<string, Position>();
  const parts = text.slice(PREFIX.length).split(SEPARATOR);
  if (parts.length > CHANNELS_MAX) return "invalid";
  for (const part of parts) {
    if (part === "" && parts.length === 1) continue;
    const found = PART.exec(part);
    const place = found === null ? undefined : placeOf(found[2] ?? "", found[3] ?? "");
    if (place === undefined) return "invalid";
    const channel = byTag.get(found?.[1] ?? "");
    if (channel !== undefined) places.set(channel, place);
  }
  return places;
}

const escaped = (epoch: string): string => encodeURIComponent(epoch).replaceAll("~", "%7E");

const PART = /^([0-9a-z]{6})([^.~\s]*(?:\.[^.~\s]*)*)\.([0-9a-z]{1,11})$/;

function placeOf(encoded: string, offsetText: string): Position | undefined {
  const offset = Number.parseInt(offsetText, 36);
  if (!Number.isSafeInteger(offset)) return undefined;
  try {
    const epoch = decodeURIComponent(encoded);
    return epoch === "" || epoch.length > EPOCH_LENGTH_MAX ? undefined : { epoch, offset };
  } catch {
    return undefined;
  }
}

/**
 * Six characters for a name (FNV-1a, 30 bits). If two channels of one stream have the same, the
 * later one begins at the other's position in another epoch, which is a declared gap.
 */
export function tagOf(channel: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < channel.length; i++) {
    hash = Math.imul(hash ^ (channel.charCodeAt(i) & 0xff), 0x01000193);
    hash = Math.imul(hash ^ (channel.charCodeAt(i) >> 8), 0x01000193);
  }
  return (((hash >>> 2) ^ (hash & 3)) >>> 0).toString(36).padStart(6, "0").slice(-6);
}
