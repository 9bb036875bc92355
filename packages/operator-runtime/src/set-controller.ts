// Owns: one RealtimeSet: what is seen of it, what is decided, what is done, and what is written
// down for people.
import { at, type Json, type KubeApi, KubeApiError, record, text } from "@holdfast/kube";
import {
  type Desired,
  decide,
  desiredOf,
  memoryOf,
  type Observed,
  readSet,
  revisionOf,
  type SetAsRead,
  type Status,
  statusOf,
} from "@holdfast/operator";
import { adopt, handOver } from "./adoption.ts";
import { carryOut, type Target } from "./carry-out.ts";
import type { OperatorEvents } from "./events.ts";
import { FeltCounts } from "./felt-counts.ts";
import { budgetManifest, budgetName, type Owner, replicaSetManifest } from "./manifests.ts";
import { HAND_OVER_ANNOTATION, PATHS, REVISION_LABEL, SAME_AS_ANNOTATION } from "./names.ts";
import { annotationsOf, labelsOf, nameOf, type SeenPod, uidOf, versionOf } from "./objects.ts";
import { observe, podsOf } from "./observe.ts";
import type { Planes } from "./plane.ts";
import { pruned } from "./pruning.ts";
import { recordWrite } from "./release-records.ts";
import { Reports } from "./reports.ts";
import { figuresOf, gaugesOf, type SetFigures } from "./set-figures.ts";
import { Watched } from "./watched.ts";

/** What was heard of the cluster, by the name of the set. */
export interface Caches {
  pods(namespace: string, set: string): readonly Json[];
  replicaSets(namespace: string, set: string): readonly Json[];
  releases(namespace: string, set: string): readonly Json[];
  machines(): readonly Json[];
}

/** What a set's controller needs of the process. */
export interface SetNeeds {
  readonly api: KubeApi;
  readonly caches: Caches;
  readonly events: OperatorEvents;
  /** Tells people by an Event of Kubernetes. */
  readonly note: (set: Json, reason: string, text: string) => void;
  /** Ms that never go back. */
  readonly nowMs: () => number;
  readonly wallMs: () => number;
  /** How often the lease changed hands. Undefined: this process does not lead, and does nothing. */
  readonly epoch: () => number | undefined;
  readonly planesOf: (set: SetAsRead) => Planes;
}

/** Figures in the status are at most this old while they change. */
const FIGURES_MS = 5000;
/** A write of ours is seen by the watch within this, or is decided on anew. */
const ECHO_MS = 2000;
/** A cache that is behind is refused once or twice. */
const BLOCKED_TIMES = 10;
/** What nobody watches is looked at again after this. */
const CHECK_MS = 60_000;

export class SetController {
  readonly #needs: SetNeeds;
  readonly #key: string;
  readonly #watched = new Watched();
  readonly #felt = new FeltCounts();
  readonly #reports: Reports;
  #planes: { readonly forSpec: string; readonly planes: Planes } | undefined;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #writtenFrom = "";
  #checkedMs = Number.NEGATIVE_INFINITY;
  #problems = "";
  #overtaken = 0;

  constructor(key: string, needs: SetNeeds) {
    this.#key = key;
    this.#needs = needs;
    this.#reports = new Reports({
      nowMs: needs.nowMs,
      felt: this.#felt,
      asked: (outcome) => needs.events.asked(key, outcome),
    });
  }

  /**
   * One look and what follows from it. Rejects for bugs only; the caller tries again. Does nothing
   * if this process does not lead.
   */
  async reconcile(stored: Json): Promise<void> {
    const { events, nowMs } = this.#needs;
    const startedMs = nowMs();
    if (this.#needs.epoch() === undefined || this.#isBehind(stored)) return;
    const read = readSet(stored);
    const memory = memoryOf(stored);
    if (!read.ok || !memory.ok) {
      this.#refuse(
        stored,
        [read, memory].flatMap((one) => (one.ok ? [] : one.problems)),
      );
      const tookMs = nowMs() - startedMs;
      const info = { set: this.#key, actions: [], tookMs, isBlocked: false };
      return events.reconciled({ ...info, outcome: "invalid" });
    }
    this.#refuse(stored, read.value.commandProblems);
    if (read.value.isTerminating) return;
    const scene = this.#sceneOf(stored, read.value, memory.value);
    if (annotationsOf(stored)[HAND_OVER_ANNOTATION] === "true") return await this.#letGo(scene);
    if (!(await this.#isChecked(scene))) return;
    void this.#reports
      .round(scene.pods, scene.planes)
      .catch((error: unknown) => events.failed("asking data planes", error));
    const { actions } = decide(scene.observed, scene.desired, this.#needs.wallMs());
    const outcome = await carryOut(actions, this.#targetOf(scene), {
      api: this.#needs.api,
      mayAct: () => this.#needs.epoch() === scene.observed.leaderEpoch,
      acted: (kind, became) => events.acted(this.#key, kind, became),
    });
    if (outcome.kind === "failed") events.failed("a write", outcome.error);
    this.#overtaken = outcome.kind === "overtaken" ? this.#overtaken + 1 : 0;
    if (outcome.kind === "overtaken" && this.#overtaken === BLOCKED_TIMES)
      this.#needs.note(
        stored,
        "Blocked",
        `${outcome.by} is refused again and again: ${outcome.why}`,
      );
    if (outcome.kind === "done") await this.#tidyUp(scene, actions.length > 0);
    const kinds = actions.map(({ kind }) => kind);
    events.reconciled({
      ...{ set: this.#key, outcome: outcome.kind, actions: kinds, tookMs: nowMs() - startedMs },
      isBlocked: this.#overtaken >= BLOCKED_TIMES,
    });
    events.figures(this.#key, gaugesOf(scene.observed, scene.desired, this.#needs.wallMs()));
  }

  /** The set's object as this process wrote it has not come back yet. */
  #isBehind(stored: Json): boolean {
    return (
      versionOf(stored) === this.#writtenFrom && this.#needs.nowMs() - this.#writtenMs < ECHO_MS
    );
  }

  #refuse(stored: Json, problems: readonly string[]): void {
    const said = problems.join(" ");
    if (said === this.#problems) return;
    this.#problems = said;
    if (said !== "") this.#needs.note(stored, "Invalid", said);
  }

  #sceneOf(stored: Json, set: SetAsRead, memory: Status | undefined): Scene {
    const { caches } = this.#needs;
    const { namespace, name, uid, spec } = set;
    const replicaSets = caches.replicaSets(namespace, name);
    const ownRevision = revisionOf(spec.template);
    const adopted = replicaSets.find(
      (one) => annotationsOf(one)[SAME_AS_ANNOTATION] === ownRevision,
    );
    const revision = text(labelsOf(adopted ?? {})[REVISION_LABEL]) ?? ownRevision;
    const pods = podsOf(caches.pods(namespace, name));
    const release = memory?.release;
    const step = release === undefined ? "" : `${release.to}/${release.phase}/${release.step}`;
    const observed = observe(
      {
        ...{ uid, resourceVersion: set.resourceVersion, status: memory, pods, replicaSets },
        machines: caches.machines(),
        reportOf: (pod) => this.#reports.of(pod),
        tallies:
          release === undefined ? undefined : this.#felt.since(step, release.to, release.from),
        leaderEpoch: this.#needs.epoch() ?? 0,
        announcedConnections: 0,
      },
      this.#watched,
      { nowMs: this.#needs.nowMs(), wallMs: this.#needs.wallMs() },
    );
    const replicasNow = observed.replicaSets.reduce((sum, { replicas }) => sum + replicas, 0);
    return {
      ...{ stored, set, observed, pods, replicaSets },
      desired: desiredOf(set, { revision, replicasNow, status: memory }),
      owner: {
        ...{ name, namespace, uid, revision: ownRevision },
        selector: spec.selector.matchLabels,
        template: record(at(stored, "spec", "template")),
      },
      planes: this.#planesOf(set),
    };
  }

  #planesOf(set: SetAsRead): Planes {
    const forSpec = JSON.stringify(set.spec.dataPlane);
    if (this.#planes?.forSpec !== forSpec)
      this.#planes = { forSpec, planes: this.#needs.planesOf(set) };
    return this.#planes.planes;
  }

  #targetOf(scene: Scene): Target {
    const { owner, desired, pods, replicaSets, planes, stored } = scene;
    const byUid = new Map(pods.map((pod) => [pod.uid, pod]));
    return {
      namespace: owner.namespace,
      planes,
      windowMs: desired.drain.windowMs,
      place: (uid) => {
        const address = byUid.get(uid)?.address;
        return address === undefined ? undefined : { uid, address };
      },
      markOf: (uid) => byUid.get(uid)?.mark,
      replicaSet: (revision) => {
        const found = replicaSets.find((one) => labelsOf(one)[REVISION_LABEL] === revision);
        return found === undefined ? undefined : nameOf(found);
      },
      manifest: (revision, replicas) =>
        revision === desired.revision ? replicaSetManifest(owner, revision, replicas) : undefined,
      writeStatus: (status) => this.#write(scene, status),
      event: (reason, told) => {
        this.#needs.note(stored, reason, told);
        this.#needs.events.told(this.#key, reason, told);
      },
    };
  }

  /** The whole status: the operator's memory, and the figures for people. */
  async #write({ stored, set, desired, observed, owner }: Scene, memory: Status): Promise<void> {
    const { api, wallMs, nowMs } = this.#needs;
    const status = statusOf(memory, {
      generation: set.generation,
      ...figuresOf({ ...observed, status: memory }, desired, wallMs()),
      matchLabels: set.spec.selector.matchLabels,
      updatedRevision: desired.revision,
      before: stored.status,
      nowMs: wallMs(),
    });
    await api.replace(`${PATHS.sets(owner.namespace)}/${owner.name}/status`, { ...stored, status });
    this.#writtenFrom = versionOf(stored);
    this.#writtenMs = nowMs();
  }

  /** What no decision depends on, when all of one was done. */
  async #tidyUp(scene: Scene, hasActed: boolean): Promise<void> {
    const { api, caches, wallMs, nowMs } = this.#needs;
    const { owner, observed, desired, set, stored } = scene;
    try {
      const write = recordWrite({
        ...{ owner, observed, desired, wallMs: wallMs(), keep: set.spec.releaseHistoryLimit },
        records: caches.releases(owner.namespace, owner.name),
      });
      const path = PATHS.releases(owner.namespace);
      if (write?.kind === "create") {
        await api.create(path, write.manifest);
        const name = nameOf(write.manifest);
        await api.merge(`${path}/${name}/status`, { status: write.status });
      } else if (write?.kind === "status")
        await api.merge(`${path}/${write.name}/status`, { status: write.status });
      else if (write?.kind === "remove") await api.remove(`${path}/${write.name}`);
      if (hasActed || observed.status === undefined) return;
      const figures = figuresOf(observed, desired, wallMs());
      const isDue = nowMs() - this.#writtenMs >= FIGURES_MS && !isSaid(stored, figures);
      if (isDue || !isSeen(scene)) await this.#write(scene, observed.status);
      for (const one of pruned(scene.replicaSets, observed, desired, set.spec.revisionHistoryLimit))
        await api.remove(`${PATHS.replicaSets(owner.namespace)}/${nameOf(one)}`, {
          uid: uidOf(one),
          resourceVersion: versionOf(one),
        });
    } catch (error) {
      // Somebody wrote first, or the API server is away: the next look does it.
      if (!(error instanceof KubeApiError)) throw error;
      if (error.status !== 409 && error.status !== 404)
        this.#needs.events.failed("keeping records", error);
    }
  }

  /**
   * Sees to the budget, and takes a Deployment over. Until that is done nothing is decided: pods
   * that are to be taken over would be missing.
   */
  async #isChecked({ owner, stored }: Scene): Promise<boolean> {
    const { api, nowMs, note, events } = this.#needs;
    if (nowMs() - this.#checkedMs < CHECK_MS) return true;
    const path = `${PATHS.budgets(owner.namespace)}/${budgetName(owner.name)}`;
    await api.apply(path, budgetManifest(owner), true);
    const adopted = await adopt(api, owner);
    if (adopted === undefined) {
      this.#checkedMs = nowMs();
      return true;
    }
    if (adopted.deployment !== "") {
      const said = `The pods of Deployment ${adopted.deployment} belong to this set now.`;
      note(stored, "Adopted", said);
      events.told(this.#key, "Adopted", said);
    }
    return false;
  }

  async #letGo({ stored, owner, replicaSets }: Scene): Promise<void> {
    const count = await handOver(this.#needs.api, owner, replicaSets);
    if (count === 0) return;
    const said = `${count} ReplicaSets belong to nobody now. A Deployment may take them.`;
    this.#needs.note(stored, "HandedOver", said);
    this.#needs.events.told(this.#key, "HandedOver", said);
  }
}

/** One look at a set. */
interface Scene {
  readonly stored: Json;
  readonly set: SetAsRead;
  readonly owner: Owner;
  readonly desired: Desired;
  readonly observed: Observed;
  readonly pods: readonly SeenPod[];
  readonly replicaSets: readonly Json[];
  readonly planes: Planes;
}

/** Whether the status is about the spec as it is: who waits for a change looks at that. */
function isSeen({ stored, set, desired }: Scene): boolean {
  return (
    at(stored, "status", "observedGeneration") === set.generation &&
    at(stored, "status", "updatedRevision") === desired.revision
  );
}

function isSaid(stored: Json, { replicas, readyReplicas, connections }: SetFigures): boolean {
  const status = at(stored, "status");
  return (
    at(status, "replicas") === replicas &&
    at(status, "readyReplicas") === readyReplicas &&
    at(status, "connections") === connections
  );
}
