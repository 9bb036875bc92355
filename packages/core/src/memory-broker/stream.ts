// Owns: one channel's stream: its epoch, its offsets, what it keeps and which idempotency keys it
// knows. Pure: it is told the time.

import type { StreamOptions } from "@holdfast/contract";
import type { Publication } from "@holdfast/protocol";
import {
  HISTORY_BYTES_MAX,
  type HistoryPage,
  type HistoryQuery,
  type PublishRequest,
} from "../ports.ts";
import { IdempotencyWindow, KEYS_BASE_BYTES, keyBytes } from "./idempotency-window.ts";
import {
  KEPT_BASE_BYTES,
  type Kept,
  type KeptBounds,
  KeptLatest,
  KeptRing,
  type PageBounds,
  publicationBytes,
} from "./kept.ts";

/** What a stream keeps at most besides what its options say. */
export interface StreamBounds {
  /** How long, and how many, idempotency keys are known. */
  readonly windowMs: number;
  readonly keysMax: number;
  /** Estimated bytes of kept publications; beyond, the oldest are forgotten. */
  readonly keptBytesMax: number;
}

/** A point in time on both scales: `nowMs` measures ages, `wallMs` is written on publications. */
export interface Moment {
  readonly nowMs: number;
  readonly wallMs: number;
}

/**
 * A stream. Offsets start at 1 and rise by 1 with every publication for the life of the object,
 * whatever is kept, removed or expired; the epoch is the object's own, so a stream that is dropped
 * and made again can never reuse a position. When a contract changes the class of a channel,
 * publications kept under the other class are removed, and offsets continue.
 */
export class Stream {
  readonly epoch: string;
  #head = 0;
  #options: StreamOptions;
  readonly #bounds: StreamBounds;
  #kept: Kept | undefined;
  #keys: IdempotencyWindow | undefined;
  /** When it last took a publication. */
  #takenMs = Number.NEGATIVE_INFINITY;

  constructor(epoch: string, options: StreamOptions, bounds: StreamBounds) {
    this.epoch = epoch;
    this.#options = options;
    this.#bounds = bounds;
  }

  /** Offset of the newest publication; 0 before the first. */
  get head(): number {
    return this.#head;
  }

  /** Publications that are kept, those that expired since the last trim included. */
  get keptCount(): number {
    return this.#kept?.count ?? 0;
  }

  /** Estimated memory of everything that it keeps. */
  get bytes(): number {
    return (this.#kept?.bytes ?? 0) + (this.#keys?.bytes ?? 0);
  }

  /** The offset that an idempotency key was answered with, while it is known. */
  duplicateOf(key: string, nowMs: number): number | undefined {
    this.#keys?.trim(nowMs, this.#bounds);
    return this.#keys?.offsetOf(key);
  }

  /** By how many bytes `append` would grow the stream at most. */
  growthBytes(options: StreamOptions, request: PublishRequest): number {
    const keys = this.#keysBytes(request);
    if (!keeps(options)) return keys;
    const bytes = publicationBytes(request);
    if (this.#kept === undefined) return keys + KEPT_BASE_BYTES + bytes;
    const grown = bytes - (this.#kept.displaced(request.key, options.sizeMax)?.bytes ?? 0);
    return keys + Math.min(grown, Math.max(0, this.#bounds.keptBytesMax - this.#kept.bytes));
  }

  /** Bytes that `append` adds, whatever it displaces. */
  addedBytes(options: StreamOptions, request: PublishRequest): number {
    const keys = this.#keysBytes(request);
    if (!keeps(options)) return keys;
    return keys + publicationBytes(request) + (this.#kept === undefined ? KEPT_BASE_BYTES : 0);
  }

  /** How long what `append` displaces next has been kept. */
  displacedAgeMs(options: StreamOptions, request: PublishRequest, nowMs: number): number {
    return nowMs - (this.#kept?.displaced(request.key, options.sizeMax)?.takenMs ?? nowMs);
  }

  #keysBytes({ idempotencyKey }: PublishRequest): number {
    if (idempotencyKey === undefined) return 0;
    return keyBytes(idempotencyKey) + (this.#keys === undefined ? KEYS_BASE_BYTES : 0);
  }

  /** Takes a publication, which MUST NOT be a duplicate, and keeps it as its options say. */
  append(options: StreamOptions, request: PublishRequest, at: Moment): Publication {
    this.#adopt(options);
    this.#head += 1;
    this.#takenMs = at.nowMs;
    const publication = publicationOf(request, this.#head, at.wallMs);
    if (!keeps(options)) {
      this.#kept = undefined;
    } else {
      this.#kept ??= options.cls === "latest" ? new KeptLatest() : new KeptRing();
      this.#kept.add(publication, at.nowMs);
      this.#kept.trim(at.nowMs, this.#keptBounds());
    }
    if (request.idempotencyKey !== undefined) {
      this.#keys ??= new IdempotencyWindow();
      this.#keys.add(request.idempotencyKey, this.#head, at.nowMs);
      this.#keys.trim(at.nowMs, this.#bounds);
    }
    return publication;
  }

  /**
   * A page of what is kept and not expired. A limit below 1 gives the bounds without publications.
   */
  page(options: StreamOptions, query: HistoryQuery, nowMs: number): HistoryPage {
    this.#adopt(options);
    this.trim(nowMs);
    const bounds = {
      limit: Math.max(0, Math.floor(query.limit)),
      bytesMax: query.bytesMax ?? HISTORY_BYTES_MAX,
    };
    const { publications, more } = pageOf(this.#kept, query, bounds);
    const oldest = this.#kept?.oldest ?? this.#head + 1;
    return { epoch: this.epoch, head: this.#head, oldest, publications, more };
  }

  /** Forgets every publication that is kept; offsets and idempotency keys stay. */
  removeKept(): void {
    this.#kept = undefined;
  }

  /** Forgets what expired. */
  trim(nowMs: number): void {
    this.#kept?.trim(nowMs, this.#keptBounds());
    if (this.#kept?.count === 0) this.#kept = undefined;
    this.#keys?.trim(nowMs, this.#bounds);
    if (this.#keys?.count === 0) this.#keys = undefined;
  }

  /**
   * Whether nothing would be lost with it that anybody is owed: nothing is kept, no idempotency key
   * is known, and every position in it is older than the channel's retention. Trims first.
   */
  isSpent(nowMs: number): boolean {
    this.trim(nowMs);
    return (
      this.#kept === undefined &&
      this.#keys === undefined &&
      (this.#head === 0 || nowMs - this.#takenMs >= this.#options.ttlMs)
    );
  }

  #keptBounds(): KeptBounds {
    const { ttlMs, sizeMax } = this.#options;
    return { ttlMs, countMax: sizeMax, bytesMax: this.#bounds.keptBytesMax };
  }

  #adopt(options: StreamOptions): void {
    if (options === this.#options) return;
    if (options.cls !== this.#options.cls && shapeOf(options) !== shapeOf(this.#options))
      this.#kept = undefined;
    this.#options = options;
  }
}

function pageOf(
  kept: Kept | undefined,
  query: HistoryQuery,
  bounds: PageBounds,
): Pick<HistoryPage, "publications" | "more"> {
  if (kept?.oldest === undefined || kept.newest === undefined)
    return { publications: [], more: false };
  if ("after" in query) {
    const publications = kept.after(query.after, bounds);
    return { publications, more: kept.newest > (publications.at(-1)?.offset ?? query.after) };
  }
  const before = query.before ?? kept.newest + 1;
  const publications = kept.before(before, bounds);
  return { publications, more: kept.oldest < (publications[0]?.offset ?? before) };
}

const keeps = (options: StreamOptions): boolean =>
  options.cls !== "volatile" && options.sizeMax > 0;

const shapeOf = (options: StreamOptions): "none" | "latest" | "ring" =>
  options.cls === "volatile" ? "none" : options.cls === "latest" ? "latest" : "ring";

/**
 * Members that the request lacks stay absent, not undefined: publications are encoded as they are.
 */
function publicationOf(request: PublishRequest, offset: number, timeMs: number): Publication {
  const publication: { -readonly [Name in keyof Publication]: Publication[Name] } = {
    offset,
    timeMs,
    payload: request.payload,
  };
  if (request.key !== undefined) publication.key = request.key;
  if (request.user !== undefined) publication.user = request.user;
  if (request.session !== undefined) publication.session = request.session;
  if (request.meta !== undefined) publication.meta = request.meta;
  return publication;
}
