// Owns: the result of a load run: the shape of `--json`, and how it is made from the workers'
// records. It holds no secrets.
import { Times, type TimesSummary } from "./histogram.ts";
import type { Vital } from "./observe.ts";
import type { LoadPlan, Phase } from "./plan.ts";
import {
  COUNT_KINDS,
  type Counts,
  noCounts,
  type PhaseRecord,
  TIME_KINDS,
  type TimeKind,
} from "./recorder.ts";

export type TimesByKind = Readonly<Partial<Record<TimeKind, TimesSummary>>>;

export interface Figures {
  /** Length in ms. */
  readonly ms: number;
  readonly counts: Counts;
  readonly errors: Readonly<Record<string, number>>;
  readonly times: TimesByKind;
}

/** What a server used in a phase. */
export interface ServerUse {
  readonly name: string;
  readonly userUs: number;
  readonly systemUs: number;
  /** At the end of the phase. */
  readonly rssBytes: number;
  /** The worst that was seen. */
  readonly lagUs?: number;
}

export interface PhaseResult extends Figures {
  readonly name: string;
  readonly do: Phase["do"];
  /** Whether it is in the total. */
  readonly isMeasured: boolean;
  readonly startMs: number;
  /** Connections at its end. */
  readonly connected: number;
  /** Connections that should have been there at its end. */
  readonly absent: number;
  readonly servers: readonly ServerUse[];
  readonly generator: GeneratorUse;
}

export interface GeneratorUse {
  readonly userUs: number;
  readonly systemUs: number;
  /** Worst lateness of a worker's event loop. */
  readonly lagUs: number;
  /** CPU of the busiest worker, as a share of one core. */
  readonly busiest: number;
}

/** One moment of the course over time. */
export interface Point {
  readonly atMs: number;
  /** Number of the phase. */
  readonly phase: number;
  readonly connected: number;
  /** Since the point before, by second. */
  readonly perSecond: {
    readonly handshakes: number;
    readonly sent: number;
    readonly delivered: number;
    readonly pongs: number;
    readonly errors: number;
  };
  /** Percentiles since the point before, in µs. */
  readonly times: Readonly<
    Partial<
      Record<TimeKind, { readonly p50Us: number; readonly p99Us: number; readonly maxUs: number }>
    >
  >;
  readonly servers: readonly (PointOfServer | null)[];
  readonly generator: { readonly cores: number; readonly lagUs: number };
}

export interface PointOfServer {
  /** Cores in use since the point before. */
  readonly userCores: number;
  readonly systemCores: number;
  readonly rssBytes: number;
  readonly lagUs?: number;
}

export interface LoadResult {
  readonly scenario: string;
  readonly startedAt: string;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryGiB: number;
    readonly kernel: string;
    readonly runtime: string;
  };
  /** Without the token; URLs without user, password and query. */
  readonly plan: PlanShown;
  /** Ended before its time, because it was told to. */
  readonly wasStopped: boolean;
  readonly phases: readonly PhaseResult[];
  /** Over all measured phases. */
  readonly total: Figures;
  /** Publications that subscribers should have got and did not, warm-ups included. */
  readonly lost: number;
  /** Requests that had no answer at the end. */
  readonly unanswered: number;
  readonly servers: readonly ServerCost[];
  readonly generator: GeneratorUse & { readonly cpuUsPerDelivery?: number };
  /** Reasons to doubt the figures, in sentences. */
  readonly warnings: readonly string[];
  readonly timeline: readonly Point[];
}

/**
 * What a server cost over the measured phases. A figure for each connection or delivery is absent
 * if there were none.
 */
export interface ServerCost {
  readonly name: string;
  readonly userUs: number;
  readonly systemUs: number;
  readonly userUsPerDelivery?: number;
  readonly cpuUsPerDelivery?: number;
  readonly deliveriesPerCpuSecond?: number;
  readonly cpuUsPerHandshake?: number;
  readonly rssBytesBefore: number;
  /** The most that was seen. */
  readonly rssBytesMost: number;
  /** From before the first connection to the end of the last phase. */
  readonly rssBytesPerConnection?: number;
  readonly lagUs?: number;
}

export type PlanShown = Omit<LoadPlan, "target"> & {
  readonly target: Omit<LoadPlan["target"], "token">;
};

export function shownPlan(plan: LoadPlan): PlanShown {
  const { token: _, ...target } = plan.target;
  const bare = (text: string) => {
    const { protocol, host, pathname } = new URL(text);
    return `${protocol}//${host}${pathname}`;
  };
  return {
    ...plan,
    target: { ...target, urls: target.urls.map(bare) },
    observe: { ...plan.observe, metricsUrls: plan.observe.metricsUrls.map(bare) },
  };
}

/** Records put together: histograms are merged, never their percentiles. */
export function figuresOf(records: readonly PhaseRecord[], ms: number): Figures {
  const counts = noCounts();
  const errors: Record<string, number> = {};
  for (const record of records) {
    for (const kind of COUNT_KINDS) counts[kind] += record.counts[kind];
    for (const [name, count] of Object.entries(record.errors))
      errors[name] = (errors[name] ?? 0) + count;
  }
  const times: Partial<Record<TimeKind, TimesSummary>> = {};
  for (const kind of TIME_KINDS) {
    const merged = new Times();
    for (const record of records) merged.merge(record.times[kind] ?? []);
    if (merged.count > 0) times[kind] = merged.summary();
  }
  return { ms, counts, errors, times };
}

export interface ServerLook {
  readonly name: string;
  readonly before: Vital | undefined;
  readonly after: Vital | undefined;
}

/** Undefined if a server could not be observed both before and after. */
export function useOf({ name, before, after }: ServerLook): ServerUse | undefined {
  if (before === undefined || after === undefined) return undefined;
  return {
    name,
    userUs: after.userUs - before.userUs,
    systemUs: after.systemUs - before.systemUs,
    rssBytes: after.rssBytes,
    ...(after.lagUs === undefined ? {} : { lagUs: after.lagUs }),
  };
}

export function costOf(
  name: string,
  phases: readonly PhaseResult[],
  rss: { readonly before: number; readonly most: number },
): ServerCost {
  const used = phases.filter(({ isMeasured }) => isMeasured);
  const uses = used.flatMap(({ servers }) => servers.filter((server) => server.name === name));
  const userUs = sum(uses, (use) => use.userUs);
  const systemUs = sum(uses, (use) => use.systemUs);
  // The cost of connecting is not a cost of deliveries, and a cost of deliveries is not one of
  // connecting.
  const delivering = used.filter(({ counts }) => counts.delivered > 0);
  const delivered = sum(delivering, ({ counts }) => counts.delivered);
  const of = (list: readonly PhaseResult[], what: (use: ServerUse) => number) =>
    sum(list, ({ servers }) =>
      sum(
        servers.filter((server) => server.name === name),
        what,
      ),
    );
  const connecting = used.filter((phase) => phase.do === "connect" && phase.counts.handshakes > 0);
  const handshakes = sum(connecting, ({ counts }) => counts.handshakes);
  const last = phases.at(-1);
  const lastRss = last?.servers.find((server) => server.name === name)?.rssBytes;
  const lags = uses.flatMap(({ lagUs }) => (lagUs === undefined ? [] : [lagUs]));
  return {
    name,
    userUs,
    systemUs,
    ...(delivered === 0
      ? {}
      : {
          userUsPerDelivery: of(delivering, (use) => use.userUs) / delivered,
          cpuUsPerDelivery: of(delivering, (use) => use.userUs + use.systemUs) / delivered,
          deliveriesPerCpuSecond:
            (delivered * 1e6) /
            Math.max(
              1,
              of(delivering, (use) => use.userUs + use.systemUs),
            ),
        }),
    ...(handshakes === 0
      ? {}
      : { cpuUsPerHandshake: of(connecting, (use) => use.userUs + use.systemUs) / handshakes }),
    rssBytesBefore: rss.before,
    rssBytesMost: rss.most,
    ...(last === undefined || lastRss === undefined || last.connected === 0
      ? {}
      : { rssBytesPerConnection: (lastRss - rss.before) / last.connected }),
    ...(lags.length === 0 ? {} : { lagUs: Math.max(...lags) }),
  };
}

export const sum = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((total, item) => total + value(item), 0);
