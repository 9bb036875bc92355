// Owns: taking over the pods of a Deployment without a restart, and letting them go again.
import { at, type Json, type KubeApi, KubeApiError, record, text } from "@holdfast/kube";
import { addedLabels, isOwnedBy, type Owner, ownerReference } from "./manifests.ts";
import {
  ADOPT_ANNOTATION,
  PATHS,
  PROTECTED_LABEL,
  RECEIVES_LABEL,
  REVISION_LABEL,
  SET_LABEL,
} from "./names.ts";
import { annotationsOf, controllerOf, labelsOf, nameOf, uidOf, versionOf } from "./objects.ts";

type Api = Pick<KubeApi, "list" | "merge" | "remove">;

/** What was taken over, for people. */
export interface Adopted {
  readonly deployment: string;
  readonly replicaSets: number;
}

/**
 * Takes over a Deployment with the set's selector that a person marked with the annotation
 * `holdfast.dev/adopt`. It is deleted without its ReplicaSets; they and their pods stay as they
 * are and belong to the set from then on. Each step may be done again.
 */
export async function adopt(api: Api, owner: Owner): Promise<Adopted | undefined> {
  const marked = (await deploymentsOf(api, owner)).filter((one) => isForUs(one, owner));
  const deployment = marked.find((one) => !isGoing(one));
  // One that was deleted owns its ReplicaSets until the garbage collector has let them go.
  const stillOwned = await replicaSetsOf(api, owner, (set) =>
    marked.some((one) => isGoing(one) && isOwnedBy(set, uidOf(one))),
  );
  if (stillOwned.length > 0) return { deployment: "", replicaSets: 0 };
  const orphans = await replicaSetsOf(api, owner, (set) => isOrphanOf(set, owner));
  if (deployment === undefined && orphans.length === 0) return undefined;
  if (deployment !== undefined) {
    // Marked first: if this process ends in between, the next one knows the orphans as ours.
    // Their templates stay: the Deployment would take a changed one for an old revision.
    const owned = await replicaSetsOf(api, owner, (set) => isOwnedBy(set, uidOf(deployment)));
    for (const set of owned) await mark(api, owner, set);
    await api.remove(`${PATHS.deployments(owner.namespace)}/${nameOf(deployment)}`, {
      uid: uidOf(deployment),
      propagation: "Orphan",
    });
    return { deployment: nameOf(deployment), replicaSets: owned.length };
  }
  for (const set of orphans) await take(api, owner, set);
  return { deployment: "", replicaSets: orphans.length };
}

function isForUs(deployment: Json, { selector }: Owner): boolean {
  const wanted = record(at(deployment, "spec", "selector", "matchLabels"));
  return (
    annotationsOf(deployment)[ADOPT_ANNOTATION] === "true" && sorted(wanted) === sorted(selector)
  );
}

const isGoing = (deployment: Json): boolean =>
  at(deployment, "metadata", "deletionTimestamp") !== undefined;

/** None if the operator has no right to Deployments: then it takes none over. */
async function deploymentsOf(api: Api, { namespace }: Owner): Promise<readonly Json[]> {
  try {
    return (await api.list(PATHS.deployments(namespace))).items;
  } catch (error) {
    if (error instanceof KubeApiError && error.isForbidden) return [];
    throw error;
  }
}

const sorted = (labels: Json): string =>
  JSON.stringify(Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1)));

async function replicaSetsOf(
  api: Api,
  { namespace, selector }: Owner,
  isIt: (set: Json) => boolean,
): Promise<readonly Json[]> {
  const labelSelector = Object.entries(selector)
    .map(([key, value]) => `${key}=${text(value)}`)
    .join(",");
  const { items } = await api.list(PATHS.replicaSets(namespace), { labelSelector });
  return items.filter(isIt);
}

/** A ReplicaSet that was marked for the set, and that nobody owns any more. */
export function isOrphanOf(replicaSet: Json, { name, selector }: Owner): boolean {
  const labels = labelsOf(replicaSet);
  return (
    labels[SET_LABEL] === name &&
    revisionOf(replicaSet) !== "" &&
    controllerOf(replicaSet) === undefined &&
    at(replicaSet, "metadata", "deletionTimestamp") === undefined &&
    Object.entries(selector).every(([key, value]) => labels[key] === text(value))
  );
}

async function mark(api: Api, owner: Owner, set: Json): Promise<void> {
  await api.merge(`${PATHS.replicaSets(owner.namespace)}/${nameOf(set)}`, {
    metadata: {
      resourceVersion: versionOf(set),
      labels: { [SET_LABEL]: owner.name },
    },
  });
  await labelPods(api, owner, set);
}

/** The set owns it, and the pods that it makes from now on have the set's labels. */
async function take(api: Api, owner: Owner, set: Json): Promise<void> {
  const labels = addedLabels(owner.name, revisionOf(set));
  await api.merge(`${PATHS.replicaSets(owner.namespace)}/${nameOf(set)}`, {
    metadata: { resourceVersion: versionOf(set), ownerReferences: [ownerReference(owner)] },
    spec: { template: { metadata: { labels } } },
  });
  await labelPods(api, owner, set);
}

const revisionOf = (set: Json): string => text(labelsOf(set)[REVISION_LABEL]) ?? "";

/** The pods that it has. Services that select the labels reach them as before. */
async function labelPods(api: Api, { namespace, name }: Owner, set: Json): Promise<void> {
  const revision = revisionOf(set);
  const labels = addedLabels(name, revision);
  const query = { labelSelector: `${REVISION_LABEL}=${revision}` };
  const { items } = await api.list(PATHS.pods(namespace), query);
  for (const pod of items) {
    if (!isOwnedBy(pod, uidOf(set)) || labelsOf(pod)[SET_LABEL] === name) continue;
    const path = `${PATHS.pods(namespace)}/${nameOf(pod)}`;
    await ignoring404(api.merge(path, { metadata: { labels } }));
  }
}

async function ignoring404(work: Promise<unknown>): Promise<void> {
  await work.catch((error: unknown) => {
    if (!(error instanceof KubeApiError) || error.status !== 404) throw error;
  });
}

/**
 * Lets the ReplicaSets go: a Deployment with the same selector takes them, or nobody does. Their
 * templates are as the set's own again, so a Deployment with this template restarts nothing.
 */
export async function handOver(api: Api, owner: Owner, sets: readonly Json[]): Promise<number> {
  const owned = sets.filter((set) => isOwnedBy(set, owner.uid));
  const own = record(at(owner.template, "metadata", "labels"));
  const none = Object.fromEntries(
    [SET_LABEL, PROTECTED_LABEL, RECEIVES_LABEL]
      .filter((name) => own[name] === undefined)
      .map((name) => [name, null]),
  );
  for (const set of owned)
    await api.merge(`${PATHS.replicaSets(owner.namespace)}/${nameOf(set)}`, {
      metadata: {
        resourceVersion: versionOf(set),
        ownerReferences: null,
        labels: { [SET_LABEL]: null },
      },
      spec: { template: { metadata: { labels: none } } },
    });
  return owned.length;
}
