// Owns: the figures of a set that people and autoscalers read in its status.
import {
  connectionsOf,
  type Desired,
  isActive,
  type Observed,
  stepsOf,
  survey,
  verdictOf,
} from "@holdfast/operator";

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
