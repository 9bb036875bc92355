// Owns: the publications that a stream keeps: a ring of the newest, or the newest for each key.
// Both bounded by count and by age.
import { payloadBytes as dataBytes, type Payload, type Publication } from "@holdfast/protocol";
import { OldestFirst } from "../oldest-first.ts";

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
  readonly newest: number | undefined;
  add(publication: Publication, nowMs: number): void;
  /**
   * What goes first when a publication with this key is added, and the bytes that `add` followed by
   * `trim` to `countMax` would free of it. Undefined: nothing is kept.
   */
  displaced(key: string | undefined, countMax: number): Displaced | undefined;
  trim(nowMs: number, bounds: KeptBounds): void;
  /** Publications with an offset above `offset`, the oldest ones, oldest first. */
  after(offset: number, bounds: PageBounds): Publication[];
  /** The newest publications with an offset below `offset`, oldest first. */
  before(offset: number, bounds: PageBounds): Publication[];
}

export interface Displaced {
  readonly bytes: number;
  readonly takenMs: number;
}

/** See `HistoryQuery`. */
export interface PageBounds {
  readonly limit: number;
  readonly bytesMax: number;
}

export interface KeptBounds {
  readonly ttlMs: number;
  readonly countMax: number;
  /** The newest publication is kept anyway. */
  readonly bytesMax: number;
}

/** Bytes of an empty ring or map, estimated from above: small streams are mostly this. */
export const KEPT_BASE_BYTES = 640;

/**
 * Bytes of one kept publication, estimated from above: text as two bytes for each unit, plus the
 * objects around it.
 */
export function publicationBytes(
  publication: Pick<Publication, "key" | "user" | "session" | "payload" | "meta">,
): number {
  const texts =
    (publication.key?.length ?? 0) +
    (publication.user?.length ?? 0) +
    (publication.session?.length ?? 0);
  return 160 + 2 * texts + (publication.meta?.length ?? 0) + payloadBytes(publication.payload);
}

/** Bytes of a payload, estimated from above. */
export const payloadBytes = (payload: Payload): number =>
  payload.kind === "json" ? 2 * payload.text.length : payload.bytes.byteLength;

/** Bytes of one publication in a page (`HistoryQuery.bytesMax`). */
export const pageBytes = ({ key, user, session, payload, meta }: Publication): number =>
  96 +
  (meta?.length ?? 0) +
  (key?.length ?? 0) +
  (user?.length ?? 0) +
  (session?.length ?? 0) +
  dataBytes(payload);

/** The first publications that fit the bounds: at least one, unless the limit is below. */
function fitting(from: Iterable<Publication>, { limit, bytesMax }: PageBounds): Publication[] {
  const page: Publication[] = [];
  let bytes = 0;
  for (const publication of from) {
    bytes += pageBytes(publication);
    if (page.length >= limit || (bytes > bytesMax && page.length > 0)) break;
    page.push(publication);
  }
  return page;
}

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

  get newest(): number | undefined {
    return this.#publications.at(-1)?.offset;
  }

  add(publication: Publication, nowMs: number): void {
    this.#publications.push(publication);
    this.#takenMs.push(nowMs);
    this.bytes += publicationBytes(publication);
  }

  displaced(_key: string | undefined, countMax: number): Displaced | undefined {
    const oldest = this.#publications[this.#start];
    if (oldest === undefined) return undefined;
    const bytes = this.count >= countMax ? publicationBytes(oldest) : 0;
    return { bytes, takenMs: this.#takenMs[this.#start] as number };
  }

  trim(nowMs: number, bounds: KeptBounds): void {
    while (
      this.count > 0 &&
      (this.count > bounds.countMax ||
        (this.bytes > bounds.bytesMax && this.count > 1) ||
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

  after(offset: number, bounds: PageBounds): Publication[] {
    return fitting(this.#from(Math.max(0, offset + 1 - (this.oldest ?? 0)), 1), bounds);
  }

  before(offset: number, bounds: PageBounds): Publication[] {
    const last = Math.min(this.count, offset - (this.oldest ?? 0)) - 1;
    return fitting(this.#from(last, -1), bounds).reverse();
  }

  *#from(first: number, step: 1 | -1): Generator<Publication> {
    for (let index = first; index >= 0 && index < this.count; index += step) {
      yield this.#publications[this.#start + index] as Publication;
    }
  }
}

/**
 * The newest publication for each key. An insertion makes its key the newest, so the order is that
 * of offsets and of ages, and trimming takes from the front. A page costs as much as keys are kept.
 */
export class KeptLatest implements Kept {
  readonly #byKey = new OldestFirst<{
    readonly publication: Publication;
    readonly takenMs: number;
  }>();
  #newest: number | undefined;
  bytes = KEPT_BASE_BYTES;

  get count(): number {
    return this.#byKey.size;
  }

  get oldest(): number | undefined {
    return this.#byKey.oldest?.value.publication.offset;
  }

  get newest(): number | undefined {
    return this.#newest;
  }

  add(publication: Publication, nowMs: number): void {
    const key = publication.key ?? "";
    const before = this.#byKey.get(key);
    if (before !== undefined) this.bytes -= publicationBytes(before.publication);
    this.#byKey.put(key, { publication, takenMs: nowMs });
    this.#newest = publication.offset;
    this.bytes += publicationBytes(publication);
  }

  displaced(key: string | undefined, countMax: number): Displaced | undefined {
    const replaced = this.#byKey.get(key ?? "");
    const out = replaced ?? this.#byKey.oldest?.value;
    if (out === undefined) return undefined;
    const isOut = replaced !== undefined || this.count >= countMax;
    return { bytes: isOut ? publicationBytes(out.publication) : 0, takenMs: out.takenMs };
  }

  trim(nowMs: number, bounds: KeptBounds): void {
    for (let out = this.#byKey.oldest; out !== undefined; out = this.#byKey.oldest) {
      const { publication, takenMs } = out.value;
      const fits = this.bytes <= bounds.bytesMax || this.count <= 1;
      if (fits && this.count <= bounds.countMax && nowMs - takenMs < bounds.ttlMs) return;
      this.bytes -= publicationBytes(publication);
      this.#byKey.delete(out.key);
    }
  }

  after(offset: number, bounds: PageBounds): Publication[] {
    return fitting(this.#above(offset), bounds);
  }

  before(offset: number, bounds: PageBounds): Publication[] {
    const below: Publication[] = [];
    for (const [, { publication }] of this.#byKey.entries()) {
      if (publication.offset >= offset) break;
      below.push(publication);
    }
    return fitting(below.reverse(), bounds).reverse();
  }

  *#above(offset: number): Generator<Publication> {
    for (const [, { publication }] of this.#byKey.entries()) {
      if (publication.offset > offset) yield publication;
    }
  }
}
