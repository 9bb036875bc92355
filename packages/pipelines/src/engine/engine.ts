// Owns: the engine of one partition: events, gaps and time in; records and an account out; state
// that can be saved and loaded. Pure and deterministic.
import type { Saved } from "../aggregate/accumulator.ts";
import type { About, PipelineDefinition, TableDefinition } from "../define/types.ts";
import {
  type Compiled,
  compile,
  type Keeper,
  type Output,
  outputsOf,
  stateFault,
  tablesOf,
} from "./compile.ts";
import type { DeadReason, Emitted, Fates, Run, Tables, Told } from "./run.ts";

/** One publication of one of the source's channels. */
export interface PipelineEvent {
  readonly offset: number;
  /** When the broker took it, in ms since the Unix epoch. */
  readonly timeMs: number;
  readonly value: unknown;
  readonly key?: string;
  readonly user?: string;
}

/** Offsets of publications that are lost. `to` null: nobody knows how many. */
export interface LostRange {
  readonly from: number;
  readonly to: number | null;
  readonly reason: string;
}

/** Everything that was counted since the partition's first event. */
export interface Account {
  readonly events: Readonly<Fates>;
  readonly results: Readonly<Fates>;
  readonly told: Readonly<Told>;
  readonly deadBy: Readonly<Partial<Record<DeadReason, number>>>;
}

type SavedStep = readonly [id: string, signature: string, state: Saved];

interface SavedEngine {
  readonly v: number;
  readonly steps: readonly SavedStep[];
  readonly account: readonly [Fates, Fates, Told, Partial<Record<DeadReason, number>>];
}

const WHOLE = 0;
const CHANGES = 1;

interface SavedChanges {
  readonly steps: readonly [id: string, kind: typeof WHOLE | typeof CHANGES, state: Saved][];
  readonly account: SavedEngine["account"];
}

/** Layout of the engine's state. */
const STATE_VERSION = 1;

/**
 * The same definition, state and calls give the same records. A user's function that throws makes a
 * dead letter. Any other exception is a fault of ours.
 */
export class PipelineEngine {
  readonly outputs: readonly Output[];
  readonly tables: readonly TableDefinition[];
  readonly #run: Run;
  readonly #first: Compiled["first"];
  readonly #keepers: readonly Keeper[];
  readonly #params: Readonly<Record<string, string>>[] = [];
  /** When an event last came from each source, by the caller's clock. Not part of the state. */
  readonly #heardMs: (number | undefined)[] = [];

  constructor(definition: PipelineDefinition, tables?: Tables) {
    const { run, first, keepers } = compile(definition);
    this.outputs = outputsOf(definition);
    this.tables = tablesOf(definition);
    this.#run = run;
    this.#first = first;
    this.#keepers = keepers;
    if (tables !== undefined) run.tables = tables;
  }

  /**
   * A channel that events may come from. Its number for the other calls. Until its first event, or
   * until it is idle, it holds back every watermark.
   */
  source(channel: string, params: Readonly<Record<string, string>>, nowMs: number): number {
    const { channels } = this.#run;
    let source = channels.indexOf(channel);
    if (source === -1) source = channels.push(channel) - 1;
    this.#params[source] = params;
    this.#heardMs[source] = nowMs;
    return source;
  }

  /** `nowMs`: monotonic time of the caller, for `tick` alone. */
  push(source: number, event: PipelineEvent, nowMs: number): void {
    this.#enter(source, event, nowMs);
    this.#first.push(event.value);
  }

  /** An event whose data could not be read. */
  unreadable(source: number, event: PipelineEvent, nowMs: number): void {
    this.#enter(source, event, nowMs);
    this.#run.dead(event.value, "source", "unreadable");
  }

  /** Publications that nobody will see any more. A dead letter tells of them. */
  gap(source: number, gap: LostRange, timeMs: number): void {
    const run = this.#run;
    run.told.gaps += 1;
    run.told.lost += gap.to === null ? 0 : gap.to - gap.from + 1;
    const channel = run.channels[source] ?? "";
    run.about = { channel, params: {} as never, timeMs };
    run.letter(gap, "source", "gap");
  }

  /** While it is full no step takes a new key. */
  setFull(isFull: boolean): void {
    this.#run.isFull = isFull;
  }

  /** A record that a sink refused for good, or whose output is no more. */
  refused(emitted: Emitted, step: string, reason: string, isSilent = false): void {
    const { key, timeMs, params } = emitted;
    const { about } = this.#run;
    this.#run.about = { channel: this.#run.pattern, params: params as never, timeMs, key };
    this.#run.letter(emitted.value, step, "refused", reason, isSilent);
    this.#run.about = about;
  }

  /**
   * Time passed. Sources in `busy` have events that are yet to come: they are not idle. A source is
   * idle if no event came from it for `idle` of a window.
   */
  tick(nowMs: number, busy: ReadonlySet<number> = new Set()): void {
    const { channels } = this.#run;
    const idleMs = channels.map((_channel, source) => {
      // A channel that the state knows and that nobody reads any more holds back nobody.
      const heardMs = this.#heardMs[source];
      if (heardMs === undefined) return Number.POSITIVE_INFINITY;
      if (busy.has(source)) this.#heardMs[source] = nowMs;
      return busy.has(source) ? 0 : Math.max(0, nowMs - heardMs);
    });
    if (idleMs.length > 0) this.#first.tick(idleMs);
  }

  /** Records since the last call, in their order. */
  take(): Emitted[] {
    return this.#run.take();
  }

  account(): Account {
    const { events, results, told, deadBy } = this.#run;
    return { events, results, told, deadBy };
  }

  /** Keys and bytes that the steps keep, roughly. */
  kept(): { readonly keys: number; readonly bytes: number } {
    let [keys, bytes] = [0, 0];
    for (const { operator } of this.#keepers) {
      keys += operator.keys;
      bytes += operator.bytes;
    }
    return { keys, bytes };
  }

  save(): Saved {
    return {
      v: STATE_VERSION,
      steps: this.#keepers.map(({ id, signature, operator }) => [id, signature, operator.save()]),
      account: this.#savedAccount(),
    } as Saved;
  }

  /** What changed since `save` or `changes` was last called, for `load`. */
  changes(): Saved {
    const steps = this.#keepers.map(({ id, operator }) => {
      const changes = operator.changes?.();
      return changes === undefined ? [id, WHOLE, operator.save()] : [id, CHANGES, changes];
    });
    return { steps, account: this.#savedAccount() } as Saved;
  }

  /**
   * Goes on from what an engine of this definition, or of one with compatible steps, has saved, and
   * from the changes after it. Steps that are new begin empty. Throws a PipelineError "state" if a
   * window or detector is gone or another one now; dedupe and throttle steps may go.
   */
  load(saved: Saved, changes: readonly Saved[] = []): void {
    const { v, steps: wholes, account: before } = saved as unknown as SavedEngine;
    const later = changes as unknown as readonly SavedChanges[];
    const account = later.at(-1)?.account ?? before;
    const steps = wholes.map(
      ([id, signature, state]): SavedStep => [
        ...([id, signature] as const),
        this.#merged(id, signature, { state, later }),
      ],
    );
    if (v !== STATE_VERSION) throw stateFault(`layout ${v}`, `layout ${STATE_VERSION}`);
    const mine = new Map(this.#keepers.map((keeper) => [keeper.id, keeper]));
    const fitting = steps.map(([id, signature, state]) => {
      const keeper = mine.get(id);
      if (keeper?.signature === signature) return { keeper, state };
      if (/(dedupe|throttle) \d+$/.test(id)) return undefined;
      throw stateFault(
        `step "${id}" (${signature})`,
        keeper === undefined ? "no such step" : keeper.signature,
      );
    });
    for (const one of fitting) one?.keeper.operator.load(one.state);
    const { events, results, told, deadBy } = this.#run;
    for (const [i, target] of [events, results, told, deadBy].entries())
      Object.assign(target, account[i]);
  }

  /** A step's state with all that changed in it. */
  #merged(
    id: string,
    signature: string,
    { state, later }: { readonly state: Saved; readonly later: readonly SavedChanges[] },
  ): Saved {
    let whole = state;
    let since: Saved[] = [];
    for (const { steps } of later) {
      const [, kind, change] = steps.find(([step]) => step === id) ?? [];
      if (change === undefined) continue;
      if (kind === CHANGES) since.push(change);
      else {
        whole = change;
        since = [];
      }
    }
    if (since.length === 0) return whole;
    const keeper = this.#keepers.find((one) => one.id === id && one.signature === signature);
    // Of a step that is another one now nothing is taken over.
    return keeper?.operator.merged?.(whole, since) ?? whole;
  }

  #savedAccount(): SavedEngine["account"] {
    const { events, results, told, deadBy } = this.#run;
    return [{ ...events }, { ...results }, { ...told }, { ...deadBy }];
  }

  #enter(source: number, event: PipelineEvent, nowMs: number): void {
    const run = this.#run;
    run.source = source;
    run.offset = event.offset;
    run.fates.received += 1;
    this.#heardMs[source] = nowMs;
    run.about = aboutOf(run.channels[source] ?? "", this.#params[source] ?? {}, event);
  }
}

/** What is known of a publication. */
export function aboutOf(
  channel: string,
  params: Readonly<Record<string, string>>,
  { timeMs, key, user }: PipelineEvent,
): About<never> {
  const about: { -readonly [K in keyof About<never>]: About<never>[K] } = {
    channel,
    params: params as never,
    timeMs,
  };
  if (key !== undefined) about.key = key;
  if (user !== undefined) about.user = user;
  return about;
}
