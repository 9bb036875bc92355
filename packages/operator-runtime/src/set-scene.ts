// Owns: one look at a set: what is stored, seen and wished of it.
import { at, type Json, record, text } from "@holdfast/kube";
import {
  type Desired,
  desiredOf,
  type Observed,
  type Revision,
  type SetAsRead,
  type Status,
} from "@holdfast/operator";
import type { Owner } from "./manifests.ts";
import { REVISION_LABEL } from "./names.ts";
import { labelsOf, type SeenPod } from "./objects.ts";
import type { Planes } from "./plane.ts";
import type { Revisions } from "./revisions.ts";
import type { SetFigures } from "./set-figures.ts";

export interface Scene {
  readonly stored: Json;
  readonly set: SetAsRead;
  readonly owner: Owner;
  readonly observed: Observed;
  readonly pods: readonly SeenPod[];
  readonly replicaSets: readonly Json[];
  /** Pods that have the set's label, and are not its own. */
  readonly strays: number;
  readonly planes: Planes;
  /** The revision of the template. */
  readonly updatedRevision: Revision;
  /** Why the API server makes no pod of the template. */
  readonly templateProblem?: string;
  /** Its revision is the template's, unless that cannot be used. */
  readonly desired: Desired;
}

/** A set as it owns its objects. */
export function ownerOf(
  stored: Json,
  { name, namespace, uid, spec }: SetAsRead,
  revision: Revision,
): Owner {
  return {
    ...{ name, namespace, uid, revision },
    selector: spec.selector.matchLabels,
    template: record(at(stored, "spec", "template")),
  };
}

/** The revision of the template, as an adopted ReplicaSet with the same template calls it. */
export function updatedRevisionOf(
  owner: Owner,
  replicaSets: readonly Json[],
  revisions: Revisions,
): Revision {
  const named = replicaSets.map((one) => text(labelsOf(one)[REVISION_LABEL]) ?? "");
  if (named.includes(owner.revision)) return owner.revision;
  const same = replicaSets.findIndex(
    (one) => revisions.ofObject(at(one, "spec", "template")) === owner.revision,
  );
  return named[same] ?? owner.revision;
}

/**
 * What is wished. A template that cannot be used changes nothing: what is under way goes on, and
 * the rest of the wish holds.
 */
export function wishOf(
  set: SetAsRead,
  observed: Observed,
  { updatedRevision, templateProblem }: Pick<Scene, "updatedRevision" | "templateProblem">,
): Desired {
  const { status } = observed;
  const usable = status?.release?.to ?? status?.stable ?? updatedRevision;
  return desiredOf(set, {
    revision: templateProblem === undefined ? updatedRevision : usable,
    replicasNow: observed.replicaSets.reduce((sum, { replicas }) => sum + replicas, 0),
    status,
  });
}

/** A step of a release: what was counted in another one does not count for it. */
export function stepNameOf(memory: Status | undefined): string {
  const release = memory?.release;
  return release === undefined ? "" : `${release.to}/${release.phase}/${release.step}`;
}

/** Whether the status is about the spec as it is: who waits for a change looks at that. */
export function isSeen({ stored, set, updatedRevision, templateProblem }: Scene): boolean {
  const status = at(stored, "status");
  return (
    at(status, "observedGeneration") === set.generation &&
    at(status, "updatedRevision") === updatedRevision &&
    (templateProblem === undefined || at(status, "message") === templateProblem)
  );
}

/** Whether people read these figures already. */
export function isSaid(
  stored: Json,
  { replicas, readyReplicas, connections }: SetFigures,
): boolean {
  const status = at(stored, "status");
  return (
    at(status, "replicas") === replicas &&
    at(status, "readyReplicas") === readyReplicas &&
    at(status, "connections") === connections
  );
}
