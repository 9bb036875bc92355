// Owns: the judgement of one subscription: it compares what arrived with what was acknowledged.
// Pure, exact, from data alone.
import type { DeliveryClass, Position } from "@holdfast/protocol";
import type { Published } from "./publication.ts";

export const VIOLATIONS = ["lost", "duplicated", "outOfOrder", "undeclared", "unexpected"] as const;
/**
 * `lost`: acknowledged and never came, although the class promises it. `duplicated`: came twice.
 * `outOfOrder`: came after a later one, or at another position than the publisher was told.
 * `undeclared`: a hole or a new epoch that no gap declared before. `unexpected`: nobody published
 * it, or the node had refused it.
 */
export type Violation = (typeof VIOLATIONS)[number];

export interface Verdict {
  readonly violations: Readonly<Record<Violation, number>>;
  /** The first few, for people. */
  readonly samples: readonly string[];
  readonly delivered: number;
  /** Gaps that the application was told of, and the acknowledged publications inside. */
  readonly gaps: number;
  readonly declared: number;
}

export interface Arrival {
  readonly p: number;
  readonly n: number;
  readonly key?: string;
  /** Absent if the server has none. */
  readonly position?: Position;
}

export interface DeclaredGap {
  readonly from: number;
  readonly to: number | null;
  readonly position: Position;
}

interface Declared {
  readonly epoch: string;
  readonly from: number;
  readonly to: number;
}

export interface JudgeOptions {
  /**
   * The step destroyed kept data: publications that a gap declared count as declared. Otherwise a
   * gap in a channel with history is a loss (H1).
   */
  readonly mayLoseData: boolean;
}

const SAMPLES_MAX = 5;
/** Publications of one publisher that keys can tell apart. */
const NUMBERS_MAX = 2 ** 24;
const keyOf = (p: number, n: number): number => p * NUMBERS_MAX + n;

const zero = (): Record<Violation, number> => ({
  lost: 0,
  duplicated: 0,
  outOfOrder: 0,
  undeclared: 0,
  unexpected: 0,
});

/**
 * One subscription from its start to its end. Tell it everything in the order in which the
 * application was told; judge it at moments when nothing is under way.
 */
export class StreamOracle {
  readonly #cls: DeliveryClass;
  readonly #name: string;
  /**
   * The epoch of each arrival, over the whole life, so that a duplicate is found however late it
   * comes.
   */
  readonly #seen = new Map<number, string | undefined>();
  readonly #epochs = new Set<string>();
  readonly #declared: Declared[] = [];
  /** How far each key of a `latest` channel has come: newer values may stand for older ones. */
  readonly #newest = new Map<string, number>();
  #start: Position | undefined;
  #position: Position | undefined;
  #epochGap = false;
  /** Never judged yet. */
  #isNew = true;
  /** Since the last judgement. */
  #arrivals: Arrival[] = [];
  #doubles: { readonly arrival: Arrival; readonly epoch: string | undefined }[] = [];
  #gaps = 0;
  #violations = zero();
  #samples: string[] = [];

  constructor(cls: DeliveryClass, name: string) {
    this.#cls = cls;
    this.#name = name;
  }

  /** The subscription exists; everything published after this position must come. */
  begin(position: Position | undefined): void {
    this.#position ??= position;
    this.#start ??= position;
    if (position !== undefined) this.#epochs.add(position.epoch);
  }

  /**
   * True when it comes for the first time: a new life of a `latest` channel begins with values that
   * were there before, and they are not late.
   */
  message(arrival: Arrival): boolean {
    const key = keyOf(arrival.p, arrival.n);
    const isFirst = !this.#seen.has(key);
    if (!isFirst) this.#doubles.push({ arrival, epoch: this.#seen.get(key) });
    else {
      this.#seen.set(key, arrival.position?.epoch);
      this.#arrivals.push(arrival);
    }
    if (this.#cls === "latest")
      this.#keepNewest(
        keyPlace(arrival.key, arrival.position, arrival),
        arrival.position?.offset ?? arrival.n,
      );
    if (arrival.position !== undefined) this.#advance(arrival.position, arrival);
    return isFirst;
  }

  gap({ from, to, position }: DeclaredGap): void {
    this.#gaps += 1;
    const last = this.#position;
    if (to !== null && (last === undefined || last.epoch === position.epoch))
      this.#declared.push({ epoch: position.epoch, from, to });
    else {
      this.#epochGap = true;
      if (last !== undefined)
        this.#declared.push({
          epoch: last.epoch,
          from: last.offset + 1,
          to: Number.POSITIVE_INFINITY,
        });
      this.#declared.push({ epoch: position.epoch, from: 0, to: position.offset });
    }
    this.#position = position;
    this.#epochs.add(position.epoch);
  }

  /**
   * Acknowledged publications of the channel that must still come. 0 when there is nothing to wait
   * for.
   */
  missing(published: readonly Published[]): number {
    return this.#absent(published).length;
  }

  /**
   * What happened since the last judgement. `published`: everything published to the channel since
   * then; `earlier` answers whether an older publish had no certain outcome.
   */
  judge(
    published: readonly Published[],
    { mayLoseData }: JudgeOptions,
    earlier: (p: number, n: number) => boolean = () => false,
  ): Verdict {
    const known = new Map(published.map((one) => [keyOf(one.p, one.n), one]));
    let declared = 0;
    for (const one of published)
      if (this.#inGap(one) && !this.#seen.has(keyOf(one.p, one.n)))
        declared += this.#onDeclared(one, mayLoseData);
    for (const one of this.#absent(published))
      this.#add(this.#cls === "volatile" ? "undeclared" : "lost", `${one.p}/${one.n} never came`);
    for (const { arrival, epoch } of this.#doubles) {
      // A new life of the stream begins with the values that it has. The gap declared the values
      // that were published again because the old life was destroyed.
      const reborn =
        this.#epochGap &&
        epoch !== arrival.position?.epoch &&
        (mayLoseData || this.#cls === "latest");
      if (!reborn) this.#add("duplicated", `${arrival.p}/${arrival.n} came again`);
    }
    this.#judgeArrivals(known, earlier);
    const verdict: Verdict = {
      violations: this.#violations,
      samples: this.#samples,
      delivered: this.#arrivals.length + this.#doubles.length,
      gaps: this.#gaps,
      declared,
    };
    this.#isNew = false;
    this.#arrivals = [];
    this.#doubles = [];
    this.#gaps = 0;
    this.#violations = zero();
    this.#samples = [];
    return verdict;
  }

  #judgeArrivals(
    known: ReadonlyMap<number, Published>,
    earlier: (p: number, n: number) => boolean,
  ): void {
    const newest = new Map<number, number>();
    for (const { p, n, position } of this.#arrivals) {
      const published = known.get(keyOf(p, n));
      if (published === undefined) {
        // A latest channel begins with the values that it has.
        const isState = this.#cls === "latest" && this.#isNew;
        if (!earlier(p, n) && !isState) this.#add("unexpected", `${p}/${n} was never published`);
        continue;
      }
      const { outcome } = published;
      if (outcome.kind === "refused")
        this.#add("unexpected", `${p}/${n} was refused (${outcome.code}) and came`);
      if (outcome.kind !== "acknowledged") continue;
      // A publish without an acknowledgement has no place in its publisher's order: it may have
      // been accepted late.
      if (n < (newest.get(p) ?? 0))
        this.#add("outOfOrder", `${p}/${n} came behind ${p}/${newest.get(p)}`);
      else newest.set(p, n);
      const { position: told } = outcome;
      if (
        position !== undefined &&
        told !== undefined &&
        told.epoch === position.epoch &&
        told.offset !== position.offset
      )
        this.#add(
          "outOfOrder",
          `${p}/${n} came at ${position.offset}, acknowledged at ${told.offset}`,
        );
    }
  }

  /** Offsets go up by one; a gap says so beforehand when they do not. */
  #advance(position: Position, { p, n }: Arrival): void {
    const last = this.#position;
    this.#position = position;
    if (last === undefined) return;
    if (last.epoch !== position.epoch) {
      this.#epochs.add(position.epoch);
      this.#add("undeclared", `${p}/${n} is of another epoch`);
    } else if (position.offset <= last.offset) {
      this.#position = last;
      this.#add("outOfOrder", `offset ${position.offset} came behind ${last.offset}`);
    } else if (this.#cls !== "latest" && position.offset !== last.offset + 1)
      this.#add("undeclared", `offset ${position.offset} came behind ${last.offset}`);
  }

  #onDeclared({ p, n }: Published, mayLoseData: boolean): number {
    // Kept publications must be delivered: a declared gap is still a loss. Volatile channels keep
    // nothing.
    if (!mayLoseData && this.#cls !== "volatile")
      this.#add("lost", `${p}/${n} is inside a declared gap`);
    return 1;
  }

  #absent(published: readonly Published[]): readonly Published[] {
    return published.filter(
      (one) =>
        one.outcome.kind === "acknowledged" &&
        !this.#seen.has(keyOf(one.p, one.n)) &&
        !this.#inGap(one) &&
        !this.#before(one) &&
        !(this.#cls === "latest" && this.#replaced(one)),
    );
  }

  /** A newer value of the same key came. */
  #replaced(one: Published): boolean {
    const position = one.outcome.kind === "acknowledged" ? one.outcome.position : undefined;
    return (this.#newest.get(keyPlace(one.key, position, one)) ?? 0) > (position?.offset ?? one.n);
  }

  #keepNewest(place: string, order: number): void {
    if (order > (this.#newest.get(place) ?? 0)) this.#newest.set(place, order);
  }

  /** It was published before the subscription existed. */
  #before({ outcome }: Published): boolean {
    const position = outcome.kind === "acknowledged" ? outcome.position : undefined;
    return (
      position !== undefined &&
      position.epoch === this.#start?.epoch &&
      position.offset <= this.#start.offset
    );
  }

  #inGap({ outcome }: Published): boolean {
    if (outcome.kind !== "acknowledged" || outcome.position === undefined) return false;
    const { epoch, offset } = outcome.position;
    // An epoch that nobody could see is inside the gap after it.
    if (this.#epochGap && !this.#epochs.has(epoch)) return true;
    return this.#declared.some(
      (one) => one.epoch === epoch && one.from <= offset && offset <= one.to,
    );
  }

  #add(violation: Violation, text: string): void {
    this.#violations[violation] += 1;
    if (this.#samples.length < SAMPLES_MAX)
      this.#samples.push(`${violation} in ${this.#name}: ${text}`);
  }
}

/**
 * What is ordered by offset within a key and epoch; without offsets by number within a key and
 * publisher.
 */
const keyPlace = (
  key: string | undefined,
  position: Position | undefined,
  { p }: { readonly p: number },
): string => (position === undefined ? `${key} of ${p}` : `${key} in ${position.epoch}`);

/** Verdicts of many subscriptions as one. */
export function sumVerdicts(verdicts: Iterable<Verdict>): Verdict {
  const violations = zero();
  const samples: string[] = [];
  let delivered = 0;
  let gaps = 0;
  let declared = 0;
  for (const verdict of verdicts) {
    for (const name of VIOLATIONS) violations[name] += verdict.violations[name];
    samples.push(...verdict.samples.slice(0, 20 - samples.length));
    delivered += verdict.delivered;
    gaps += verdict.gaps;
    declared += verdict.declared;
  }
  return { violations, samples, delivered, gaps, declared };
}
