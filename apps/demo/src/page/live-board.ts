// Owns: what the page of pipelines knows: figures of the nodes, added up, and the newest records.
// Pure; its memory is bounded, whatever comes.
import type {
  LiveFigures,
  LiveOutput,
  LivePipeline,
  LiveRecord,
  LiveRecords,
  LiveSource,
} from "../live.ts";

/** A node that says nothing for so long is gone. */
const SILENT_MS = 4_000;
/** Records of one pipeline and kind that are kept. */
export const RECORDS_MAX = 30;
/** Nodes and pipelines that are kept; dev has fewer. */
const NODES_MAX = 32;
const GROUPS_MAX = 200;
/** Rates are those of about so long. */
const RATE_MS = 3_000;

interface Heard {
  readonly figures: LiveFigures;
  readonly atMs: number;
  /** Older ones, oldest first, for rates. */
  readonly before: readonly { readonly figures: LiveFigures; readonly atMs: number }[];
}

/** A pipeline on all nodes. */
export interface PipelineSight extends Omit<LivePipeline, "holds" | "outputs"> {
  /** Owner of each partition; undefined: nobody. */
  readonly owners: readonly (string | undefined)[];
  readonly outputs: readonly OutputSight[];
  /** Events of one second, over the last few. */
  readonly inPerSecond: number;
  readonly outPerSecond: number;
  readonly newest: Readonly<Record<LiveRecord["of"], readonly LiveRecord[]>>;
  /** Records that were not shown. */
  readonly skipped: number;
}

/** An output on all nodes; the breaker is the worst of them. */
export interface OutputSight extends LiveOutput {
  readonly deliveredPerSecond: number;
}

export interface SourceSight extends LiveSource {
  readonly reader: string | undefined;
}

export class LiveBoard {
  readonly #nodes = new Map<string, Heard>();
  readonly #newest = new Map<string, readonly LiveRecord[]>();
  readonly #skipped = new Map<string, number>();
  /** By the nodes' clock. */
  #newestMs = 0;

  hearFigures(figures: LiveFigures, nowMs: number): void {
    this.#newestMs = Math.max(this.#newestMs, figures.timeMs);
    // What a node said last is kept: one that is gone long since is no news.
    if (this.#newestMs - figures.timeMs > SILENT_MS) return;
    const known = this.#nodes.get(figures.node);
    if (known === undefined && this.#nodes.size >= NODES_MAX) return;
    const before =
      known === undefined
        ? []
        : [...known.before, { figures: known.figures, atMs: known.atMs }].filter(
            (one) => nowMs - one.atMs <= RATE_MS,
          );
    this.#nodes.set(figures.node, { figures, atMs: nowMs, before: before.slice(-20) });
  }

  hearRecords({ records, skipped }: LiveRecords): void {
    for (const record of records) {
      const group = groupOf(record.pipeline, record.of);
      const kept = this.#newest.get(group) ?? [];
      if (kept.length === 0 && this.#newest.size >= GROUPS_MAX) continue;
      // A record is told again after a death.
      if (kept.some(({ id }) => id === record.id)) continue;
      this.#newest.set(group, [record, ...kept].slice(0, RECORDS_MAX));
    }
    for (const [pipeline, count] of Object.entries(skipped))
      if (this.#skipped.size < GROUPS_MAX || this.#skipped.has(pipeline))
        this.#skipped.set(pipeline, (this.#skipped.get(pipeline) ?? 0) + count);
  }

  /** Nodes that are there, by name. */
  nodes(nowMs: number): readonly string[] {
    return this.#present(nowMs).map(({ figures }) => figures.node);
  }

  pipelines(nowMs: number): readonly PipelineSight[] {
    const present = this.#present(nowMs);
    const names = new Set(present.flatMap(({ figures }) => figures.pipelines.map((p) => p.name)));
    return [...names].sort().flatMap((name) => this.#sight(name, present));
  }

  sources(nowMs: number): readonly SourceSight[] {
    const sights = new Map<string, SourceSight>();
    for (const { figures } of this.#present(nowMs))
      for (const source of figures.sources) {
        const known = sights.get(source.name);
        const reader = source.isReading ? figures.node : known?.reader;
        sights.set(source.name, {
          ...source,
          reader,
          isReading: reader !== undefined,
          isRefused: source.isRefused || known?.isRefused === true,
          isHeldBack: source.isHeldBack || known?.isHeldBack === true,
          published: source.published + (known?.published ?? 0),
          dead: source.dead + (known?.dead ?? 0),
          lag: Math.max(source.lag, known?.lag ?? 0),
        });
      }
    return [...sights.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  #present(nowMs: number): readonly Heard[] {
    for (const [node, { atMs }] of this.#nodes)
      if (nowMs - atMs > SILENT_MS) this.#nodes.delete(node);
    return [...this.#nodes.values()].sort((a, b) => (a.figures.node < b.figures.node ? -1 : 1));
  }

  #sight(name: string, present: readonly Heard[]): PipelineSight[] {
    const own = present.flatMap(({ figures, before, atMs }) => {
      const now = figures.pipelines.find((one) => one.name === name);
      const [oldest] = before;
      const then = oldest?.figures.pipelines.find((one) => one.name === name);
      return now === undefined
        ? []
        : [{ node: figures.node, now, then, ms: atMs - (oldest?.atMs ?? atMs) }];
    });
    // During a deploy the newest version is the one that runs.
    const newest = own.reduce((a, b) => (b.now.version > a.now.version ? b : a), own[0] as Own);
    if (newest === undefined) return [];
    const all = own.map(({ now }) => now);
    const sum = (of: (one: LivePipeline) => number): number =>
      all.reduce((total, one) => total + of(one), 0);
    const rate = (of: (one: LivePipeline) => number): number =>
      own.reduce((total, { now, then, ms }) => {
        const more = then === undefined || ms <= 0 ? 0 : ((of(now) - of(then)) * 1000) / ms;
        return total + Math.max(0, more);
      }, 0);
    const owners: (string | undefined)[] = Array.from({ length: newest.now.partitions });
    for (const { node, now } of own) for (const n of now.holds) owners[n] = node;
    const { version, source, steps, partitions } = newest.now;
    const refused = all.find((one) => one.refused !== undefined)?.refused;
    return [
      {
        ...{ name, version, source, steps, partitions, owners },
        events: addUp(all.map(({ events }) => events)),
        deadBy: addUp(all.map(({ deadBy }) => deadBy)),
        results: sum((one) => one.results),
        lost: sum((one) => one.lost),
        lag: sum((one) => one.lag),
        lagMs: Math.max(...all.map((one) => one.lagMs)),
        channels: sum((one) => one.channels),
        keys: sum((one) => one.keys),
        stateBytes: sum((one) => one.stateBytes),
        heldBack: sum((one) => one.heldBack),
        ...(refused === undefined ? {} : { refused }),
        outputs: newest.now.outputs.map((output, i) => ({
          ...output,
          ...mergedOutput(all.map((one) => one.outputs[i]?.now)),
          deliveredPerSecond: rate((one) => one.outputs[i]?.now?.delivered ?? 0),
        })),
        inPerSecond: rate((one) => one.events.received ?? 0),
        outPerSecond: rate((one) => one.results),
        newest: {
          results: this.#newest.get(groupOf(name, "results")) ?? [],
          late: this.#newest.get(groupOf(name, "late")) ?? [],
          dead: this.#newest.get(groupOf(name, "dead")) ?? [],
        },
        skipped: this.#skipped.get(name) ?? 0,
      },
    ];
  }
}

interface Own {
  readonly node: string;
  readonly now: LivePipeline;
  readonly then: LivePipeline | undefined;
  readonly ms: number;
}

const groupOf = (pipeline: string, of: LiveRecord["of"]): string => `${of} ${pipeline}`;

function addUp(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const one of all)
    for (const [name, count] of Object.entries(one)) sums[name] = (sums[name] ?? 0) + count;
  return sums;
}

const WORST = ["closed", "probing", "open"] as const;

function mergedOutput(all: readonly LiveOutput["now"][]): Pick<LiveOutput, "now"> {
  const opened = all.filter((one) => one !== undefined);
  const [first] = opened;
  if (first === undefined) return {};
  const sum = (of: (one: NonNullable<LiveOutput["now"]>) => number): number =>
    opened.reduce((total, one) => total + of(one), 0);
  const worst = Math.max(...opened.map(({ breaker }) => WORST.indexOf(breaker)));
  const lastError = opened.find((one) => one.lastError !== undefined)?.lastError;
  return {
    now: {
      breaker: WORST[worst] ?? "closed",
      delivered: sum((one) => one.delivered),
      refused: sum((one) => one.refused),
      failures: sum((one) => one.failures),
      queued: sum((one) => one.queued),
      oldestMs: Math.max(...opened.map((one) => one.oldestMs)),
      ...(lastError === undefined ? {} : { lastError }),
    },
  };
}
