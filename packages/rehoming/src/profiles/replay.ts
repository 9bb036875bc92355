// Owns: the profile of applications whose clients say once what they want.
import { bytesOf, type Frame } from "../frame.ts";
import type { Profile, ProfileOut, ProfileSession, Saved } from "../profile.ts";
import { type Match, Read } from "./match.ts";

/** Frames of the client that the next upstream must be told. */
export interface Remembered {
  readonly match: Match;
  /** Path of a value that names what the frame is about. A later frame about it replaces it. */
  readonly key?: string;
  /** A frame of the client that takes it back, about the same `key` if there is one. */
  readonly until?: Match;
}

export interface ReplayRules {
  /** In which order the rules stand does not matter: frames are replayed as they came. */
  readonly remember: readonly Remembered[];
  /** The first frames of a client, whatever they say: a login, a hello. */
  readonly first?: number;
  /**
   * Frames of an upstream that answer what is replayed, one each. The client had those answers, so
   * they are swallowed, and the attach ends with the last. None: it ends at once.
   */
  readonly answers?: readonly Match[];
}

interface Kept {
  readonly frame: Frame;
  /** Undefined: one of the first. */
  readonly rule: Remembered | undefined;
  readonly key: string | undefined;
}

/**
 * Set-up frames are replayed on the next upstream, in order and compacted: what was taken back or
 * replaced is left out. Holes: what the route doesn't declare, and as with `stateless` what the
 * former upstream had taken and not answered.
 */
export function replay(rules: ReplayRules): Profile {
  return {
    ...{ name: "replay", rehomes: true, quietMs: 50 },
    create: (out) => new Replay(rules, out),
    restore: (out, saved) => restored(new Replay(rules, out), saved),
  };
}

function restored(session: Replay, [first, firstLeft, ...frames]: Saved): Replay | undefined {
  const [count, left] = [Number(first), Number(firstLeft)];
  const areCounts = Number.isInteger(count) && Number.isInteger(left) && count >= 0 && left >= 0;
  if (!areCounts || count > frames.length) return undefined;
  session.restore(frames, { count, left });
  return session;
}

class Replay implements ProfileSession {
  readonly #rules: ReplayRules;
  readonly #out: ProfileOut;
  #kept: Kept[] = [];
  #firstLeft: number;
  #bytes = 0;
  #answersLeft = 0;
  /** What the next upstream was told. */
  #replayed: ReadonlySet<Kept> = new Set();
  /** What took some of that back since. */
  #takenBack: Frame[] = [];
  /** Answers to what it was told later. */
  #lateAnswers = 0;
  /** What the next upstream said on its own while it was attached. */
  #early: Frame[] = [];
  readonly isQuiet = true;

  constructor(rules: ReplayRules, out: ProfileOut) {
    this.#rules = rules;
    this.#out = out;
    this.#firstLeft = rules.first ?? 0;
  }

  get bytes(): number {
    return this.#bytes;
  }

  fromClient(frame: Frame): void {
    if (this.#firstLeft > 0) {
      this.#firstLeft -= 1;
      this.#keep({ frame, rule: undefined, key: undefined });
    } else this.#remember(frame);
    this.#out.toUpstream(frame);
  }

  fromUpstream(frame: Frame): void {
    if (this.#lateAnswers > 0 && this.#isAnswer(frame)) this.#lateAnswers -= 1;
    else this.#out.toClient(frame);
  }

  attach(): void {
    for (const frame of [...this.#early.splice(0), ...this.#takenBack.splice(0)])
      this.#bytes -= bytesOf(frame);
    this.#replayed = new Set(this.#kept);
    this.#answersLeft = this.#rules.answers === undefined ? 0 : this.#kept.length;
    for (const { frame } of this.#kept) this.#out.toNext(frame);
    if (this.#answersLeft === 0) this.#out.attached();
  }

  fromNext(frame: Frame): void {
    if (!this.#isAnswer(frame)) {
      this.#early.push(frame);
      this.#bytes += bytesOf(frame);
      return;
    }
    this.#answersLeft -= 1;
    if (this.#answersLeft === 0) this.#out.attached();
  }

  switched(): void {
    for (const frame of this.#early.splice(0)) {
      this.#bytes -= bytesOf(frame);
      this.#out.toClient(frame);
    }
    // The former upstream had this after the next one was told what there was.
    const late = this.#kept.filter((kept) => !this.#replayed.has(kept)).map(({ frame }) => frame);
    const told = [...this.#takenBack.splice(0), ...late];
    for (const frame of told.slice(0, told.length - late.length)) this.#bytes -= bytesOf(frame);
    this.#replayed = new Set();
    this.#lateAnswers = this.#rules.answers === undefined ? 0 : late.length;
    for (const frame of told) this.#out.toUpstream(frame);
  }

  save(): Saved {
    const first = this.#kept.filter(({ rule }) => rule === undefined);
    const frames = this.#kept.map(({ frame }) => frame);
    return [String(first.length), String(this.#firstLeft), ...frames];
  }

  /** `count` of them are the first ones; `left` are still to come. */
  restore(frames: Saved, { count, left }: { readonly count: number; readonly left: number }): void {
    this.#firstLeft = left;
    for (const frame of frames.slice(0, count))
      this.#keep({ frame, rule: undefined, key: undefined });
    for (const frame of frames.slice(count)) this.#remember(frame);
  }

  #isAnswer(frame: Frame): boolean {
    const read = new Read(frame);
    return this.#rules.answers?.some((match) => read.matches(match)) === true;
  }

  #remember(frame: Frame): void {
    const read = new Read(frame);
    for (const rule of this.#rules.remember) {
      const isTakenBack = rule.until !== undefined && read.matches(rule.until);
      if (!isTakenBack && !read.matches(rule.match)) continue;
      const key = rule.key === undefined ? undefined : JSON.stringify(read.at(rule.key));
      // Without a key every frame is about something of its own, and all are taken back at once.
      const isMeant = (kept: Kept): boolean => kept.rule === rule && kept.key === key;
      if (isTakenBack && this.#kept.some((kept) => this.#replayed.has(kept) && isMeant(kept))) {
        this.#takenBack.push(frame);
        this.#bytes += bytesOf(frame);
      }
      if (isTakenBack || rule.key !== undefined) this.#forget(isMeant);
      if (!isTakenBack) this.#keep({ frame, rule, key });
      return;
    }
  }

  #keep(kept: Kept): void {
    this.#kept.push(kept);
    this.#bytes += bytesOf(kept.frame);
  }

  #forget(isMeant: (kept: Kept) => boolean): void {
    this.#kept = this.#kept.filter((kept) => {
      if (!isMeant(kept)) return true;
      this.#bytes -= bytesOf(kept.frame);
      return false;
    });
  }
}
