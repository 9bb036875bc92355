// Owns: where everyone's cursor is between two messages: samples in, positions on screen out. Pure.

/** A cursor as told: shares of the board; `knot` is held. */
export interface CursorSample {
  readonly x: number;
  readonly y: number;
  readonly knot: number | null;
  readonly here: boolean;
  readonly name: string;
}

export interface Cursor extends CursorSample {
  readonly session: string;
}

/**
 * Cursors are drawn this long in the past, so that there is a sample on both sides to draw between:
 * three intervals of 30 Hz.
 */
export const RENDER_DELAY_MS = 100;
/** A window repeats its cursor at least this often while its pointer is on the board. */
export const REPEAT_MS = 1_000;
/** A cursor without a message for this long is gone. */
export const STALE_MS = 3_500;
/** Cursors kept; more are ignored until one is gone. */
export const CURSORS_MAX = 64;
const SAMPLES_MAX = 12;

interface Track {
  samples: { atMs: number; sample: CursorSample }[];
}

/**
 * Everyone else's cursors, by session. Volatile data: a lost sample is a slightly straighter line.
 */
export class Cursors {
  readonly #tracks = new Map<string, Track>();

  observe(session: string, sample: CursorSample, atMs: number): void {
    const known = this.#tracks.get(session);
    if (!sample.here) {
      this.#tracks.delete(session);
      return;
    }
    if (!known && this.#tracks.size >= CURSORS_MAX) return;
    const track = known ?? { samples: [] };
    track.samples.push({ atMs, sample });
    if (track.samples.length > SAMPLES_MAX) track.samples.shift();
    this.#tracks.set(session, track);
  }

  /** Where the cursors are drawn at `nowMs`; forgets those that are stale. */
  at(nowMs: number): readonly Cursor[] {
    const cursors: Cursor[] = [];
    for (const [session, track] of this.#tracks) {
      const newest = track.samples.at(-1);
      if (!newest || nowMs - newest.atMs > STALE_MS) this.#tracks.delete(session);
      else cursors.push({ session, ...between(track, nowMs - RENDER_DELAY_MS, newest.sample) });
    }
    return cursors;
  }
}

function between(track: Track, atMs: number, newest: CursorSample): CursorSample {
  const next = track.samples.findIndex((s) => s.atMs > atMs);
  const b = track.samples[next];
  if (!b) return newest;
  const a = track.samples[next - 1];
  if (!a) return b.sample;
  const share = (atMs - a.atMs) / (b.atMs - a.atMs);
  const mix = (from: number, to: number) => from + (to - from) * share;
  return { ...a.sample, x: mix(a.sample.x, b.sample.x), y: mix(a.sample.y, b.sample.y) };
}
