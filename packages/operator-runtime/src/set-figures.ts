// Owns: the figures of a set that people and autoscalers read in its status.
import {
  connectionsOf,
  type Desired,
  isActive,
  type Observed,
  type PodView,
  stepsOf,
  survey,
  verdictOf,
} from "@holdfast/operator";
import type { SetGauges } from "./events.ts";

/** How a release stands. */
export interface ReleaseFigures {
  readonly steps: number;
  /** Of the connections: what the step wants, and what is. */
  readonly sharePercentWanted: number;
  readonly sharePercent: number;
  readonly connectionMinutes: number;
  readonly verdict?: string;
}

export interface SetFigures {
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly desiredReplicas: number;
  readonly connections: number;
  readonly release?: ReleaseFigures;
}

/** Of what is stored and seen now. */
export function figuresOf(observed: Observed, desired: Desired, wallMs: number): SetFigures {
  const views = survey(observed, desired, wallMs);
  const { status, pods } = observed;
  const active = pods.filter(isActive);
  const connections = connectionsOf(views);
  const figures = {
    replicas: active.length,
    readyReplicas: active.filter(({ isReady }) => isReady).length,
    desiredReplicas: status?.autoscaling?.replicas ?? desired.replicas,
    connections,
  };
  const release = status?.release;
  if (release === undefined) return figures;
  const steps = stepsOf(desired.release.strategy);
  const share = steps[Math.min(release.step, steps.length - 1)]?.share ?? 1;
  const theirs = connectionsOf(views.filter(({ pod }) => pod.revision === release.to));
  const verdict = verdictOf(desired.release.strategy, observed);
  return {
    ...figures,
    release: {
      steps: steps.length,
      sharePercentWanted: release.phase === "rolling-back" ? 0 : Math.round(share * 100),
      sharePercent: connections === 0 ? 0 : Math.round((1000 * theirs) / connections) / 10,
      connectionMinutes: Math.floor(observed.tallies?.canary.connectionMinutes ?? 0),
      ...(verdict === undefined ? {} : { verdict: verdict.text }),
    },
  };
}

/** An answer that is older than this is none: pods are asked each second. */
const SILENT_MS = 10_000;

/** The same and more, for metrics. */
export function gaugesOf(
  observed: Observed,
  desired: Desired,
  wallMs: number,
): Omit<SetGauges, "strays"> {
  const views = survey(observed, desired, wallMs);
  const { release, ...figures } = figuresOf(observed, desired, wallMs);
  const draining = views.filter(({ mark }) => mark !== undefined);
  const verdict = verdictOf(desired.release.strategy, observed);
  const { status, tallies } = observed;
  const isReleasing = status?.release !== undefined;
  return {
    ...figures,
    draining: draining.length,
    drainingConnections: connectionsOf(draining),
    silent: views.filter(isSilent).length,
    condition: status?.condition ?? "Progressing",
    release: status?.release?.phase ?? "none",
    releaseShare: (release?.sharePercent ?? 0) / 100,
    releaseShareWanted: (release?.sharePercentWanted ?? 0) / 100,
    verdict: isReleasing ? (verdict?.outcome ?? "none") : "none",
    revisions: [...new Set(views.map(({ pod }) => pod.revision))].sort().map((revision) => {
      const theirs = views.filter(({ pod }) => pod.revision === revision);
      return { revision, pods: theirs.length, connections: connectionsOf(theirs) };
    }),
    ...(isReleasing && tallies !== undefined ? { tallies } : {}),
  };
}

const isSilent = ({ pod: { phase, report } }: PodView): boolean =>
  phase === "Running" && (report === undefined || report.ageMs > SILENT_MS);
