// Owns: the publications that a stream keeps: a ring of the newest, or the newest for each key.
// Both bounded by count and by age.
import type { Payload, Publication } from "@holdfast/protocol";

/**
 * What a stream keeps. Offsets rise from the oldest to the newest. Ages are told on one steady
 * scale (`nowMs`); a publication whose age has reached `ttlMs` is expired. Callers trim before they
 * read.
 */
export interface Kept {
  readonly count: number;
  /** Estimated memory, see `publicationBytes`. */
  readonly bytes: number;
  /** Offset of the oldest publication; undefined when nothing is kept. */
  readonly oldest: number | undefined;
  add(publication: Publication, nowMs: number): void;
  /** Bytes that `add` followed by `trim` to `countMax` would free. */
  displacedBytes(key: string | undefined, countMax: number): number;
  trim(nowMs: number, bounds: { readonly ttlMs: number; readonly countMax: number }): void;
  /** Up to `limit` publications with an offset above `offset`, the oldest ones, oldest first. */
  after(offset: number, limit: number): Publication[];
  /** The `limit` newest publications with an offset below `offset`, oldest first. */
  before(offset: number, limit: number): Publication[];
}

/** Bytes of an empty ring or map, estimated from above: small streams are mostly this. */
export const KEPT_BASE_BYTES = 640;

/**
 * Bytes of one kept publication, estimated from above: text as two bytes for each unit, plus the
 * objects around it.
 */
export function publicationBytes(
  publication: Pick<Publication, "key" | "user" | "session" | "payload">,
): number {
  const texts =
    (publication.key?.length ?? 0) +
    (publication.user?.length ?? 0) +
    (publication.session?.length ?? 0);
  return 160 + 2 * texts + payloadBytes(publication.payload);
}

/** Bytes of a payload, estimated from above. */
export const payloadBytes = (payload: Payload): number =>
  payload.kind === "json" ? 2 * payload.text.length : payload.bytes.byteLength;

/**
 * The newest publications, whose offsets are consecutive. Additions and removals are O(1),
 * amortised; a page costs its own length.
 */
export class KeptRing implements Kept {
  /** Slots before `#start` are empty; they are given back when they are more than half. */
  #publications: (Publication | undefined)[] = [];
  #takenMs: number[] = [];
  #start = 0;
  bytes = KEPT_BASE_BYTES;

  get count(): number {
    return this.#publications.length - this.#start;
  }

  get oldest(): number | undefined {
    return this.#publications[this.#start]?.offset;
  }

  add(publication: Publication, nowMs: number): void {
    this.#publications.push(publication);
    this.#takenMs.push(nowMs);
    this.bytes += publicationBytes(publication);
  }

  displacedBytes(_key: string | undefined, countMax: number): number {
    const oldest = this.#publications[this.#start];
    return oldest !== undefined && this.count >= countMax ? publicationBytes(oldest) : 0;
  }

  trim(nowMs: number, bounds: { readonly ttlMs: number; readonly countMax: number }): void {
    while (
      this.count > 0 &&
      (this.count > bounds.countMax ||
        nowMs - (this.#takenMs[this.#start] ?? nowMs) >= bounds.ttlMs)
    ) {
      const oldest = this.#publications[this.#start];
      if (oldest !== undefined) this.bytes -= publicationBytes(oldest);
      this.#publications[this.#start] = undefined;
      this.#start += 1;
    }
    if (this.#start >= 16 && this.#start * 2 >= this.#publications.length) {
      this.#publications = this.#publications.slice(this.#start);
      this.#takenMs = this.#takenMs.slice(this.#start);
      this.#start = 0;
    }
  }

  after(offset: number, limit: number): Publication[] {
    const from = Math.max(0, offset + 1 - (this.oldest ?? 0));
    return this.#slice(from, from + limit);
  }

  before(offset: number, limit: number): Publication[] {
    const to = Math.min(this.count, offset - (this.oldest ?? 0));
    return this.#slice(Math.max(0, to - limit), to);
  }

  #slice(from: number, to: number): Publication[] {
    if (to <= from) return [];
    return this.#publications.slice(this.#start + from, this.#start + to) as Publication[];
  }
}

/**
 * The newest publication for each key. An insertion moves its key to the end of the map, so the
 * map's own order is the order of offsets and of ages, and trimming takes from the front. A page
 * costs as much as keys are kept.
 */
export class KeptLatest implements Kept {
  #byKey = new Map<string, { readonly publication: Publication; readonly takenMs: number }>();
  bytes = KEPT_BASE_BYTES;

  get count(): number {
    return this.#byKey.size;
  }

  get oldest(): number | undefined {
    return this.#first()?.publication.offset;
  }

  add(publication: Publication, nowMs: number): void {
    const key = publication.key ?? "";
    this.#remove(key);
    this.#byKey.set(key, { publication, takenMs: nowMs });
    this.bytes += publicationBytes(publication);
  }

  displacedBytes(key: string | undefined, countMax: number): number {
    const replaced =
      this.#byKey.get(key ?? "") ?? (this.count >= countMax ? this.#first() : undefined);
    return replaced === undefined ? 0 : publicationBytes(replaced.publication);
  }

  trim(nowMs: number, bounds: { readonly ttlMs: number; readonly countMax: number }): void {
    for (const [key, { takenMs }] of this.#byKey) {
      if (this.count <= bounds.countMax && nowMs - takenMs < bounds.ttlMs) return;
      this.#remove(key);
    }
  }

  after(offset: number, limit: number): Publication[] {
    const page: Publication[] = [];
    for (const { publication } of this.#byKey.values()) {
      if (page.length >= limit) break;
      if (publication.offset > offset) page.push(publication);
    }
    return page;
  }

  before(offset: number, limit: number): Publication[] {
    const page: Publication[] = [];
    for (const { publication } of this.#byKey.values()) {
      if (publication.offset >= offset) break;
      page.push(publication);
    }
    return limit > 0 ? page.slice(-limit) : [];
  }

  #first(): { readonly publication: Publication } | undefined {
    for (const kept of this.#byKey.values()) return kept;
    return undefined;
  }

  #remove(key: string): void {
    const kept = this.#byKey.get(key);
    if (kept === undefined) return;
    this.bytes -= publicationBytes(kept.publication);
    this.#byKey.delete(key);
  }
}
