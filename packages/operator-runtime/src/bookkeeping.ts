// Owns: what is written of a set for people and tools, and what no decision depends on: its status,
// its records, its budget, old ReplicaSets, commands that were obeyed.
import { type Json, type KubeApi, KubeApiError } from "@holdfast/kube";
import { refusalOf, type Status, statusOf } from "@holdfast/operator";
import { obeyed } from "./commands.ts";
import type { OperatorEvents } from "./events.ts";
import { budgetManifest, isOwnedBy, type Owner } from "./manifests.ts";
import { budgetName, PATHS, SET_LABEL } from "./names.ts";
import { controllerOf, labelsOf, nameOf, uidOf, versionOf } from "./objects.ts";
import { pruned } from "./pruning.ts";
import { recordWrite, serialOf } from "./release-records.ts";
import { figuresOf } from "./set-figures.ts";
import { isSaid, isSeen, type Scene } from "./set-scene.ts";

export interface BookkeepingNeeds {
  readonly api: KubeApi;
  readonly events: OperatorEvents;
  readonly releases: (namespace: string, set: string) => readonly Json[];
  readonly nowMs: () => number;
  readonly wallMs: () => number;
}

/** Figures in the status are at most this old while they change. */
const FIGURES_MS = 5000;
/** A write of ours is seen by the watch within this, or is decided on anew. */
const ECHO_MS = 2000;

/** Of one set. */
export class Bookkeeping {
  readonly #needs: BookkeepingNeeds;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #writtenFrom = "";

  constructor(needs: BookkeepingNeeds) {
    this.#needs = needs;
  }

  /** The set's object as this process wrote it has not come back yet. */
  isBehind(stored: Json): boolean {
    return (
      versionOf(stored) === this.#writtenFrom && this.#needs.nowMs() - this.#writtenMs < ECHO_MS
    );
  }

  /** The whole status: the operator's memory, and the figures for people. */
  async writeStatus(scene: Scene, memory: Status): Promise<void> {
    const { stored, set, desired, observed, updatedRevision, templateProblem } = scene;
    const { api, wallMs, nowMs } = this.#needs;
    const status = statusOf(memory, {
      generation: set.generation,
      ...figuresOf({ ...observed, status: memory }, desired, wallMs()),
      matchLabels: set.spec.selector.matchLabels,
      updatedRevision,
      ...(templateProblem === undefined ? {} : { templateProblem }),
      before: stored.status,
      nowMs: wallMs(),
    });
    const path = `${PATHS.sets(set.namespace)}/${set.name}/status`;
    await api.replace(path, { ...stored, status });
    this.#writtenFrom = versionOf(stored);
    this.#writtenMs = nowMs();
  }

  /** Of a new set of which no pod can be made: nothing is remembered, and people read why. */
  async writeRefusal(scene: Scene): Promise<void> {
    const { stored, set, updatedRevision, templateProblem } = scene;
    if (templateProblem === undefined || isSeen(scene)) return;
    const status = refusalOf(templateProblem, {
      generation: set.generation,
      ...figuresOf(scene.observed, scene.desired, this.#needs.wallMs()),
      matchLabels: set.spec.selector.matchLabels,
      updatedRevision,
      before: stored.status,
      nowMs: this.#needs.wallMs(),
    });
    const path = `${PATHS.sets(set.namespace)}/${set.name}/status`;
    await this.#tried("writing why", () => this.#needs.api.replace(path, { ...stored, status }));
  }

  /** One thing at a time; the next look does the next. `hasActed`: the objects are not as seen. */
  async tidyUp(scene: Scene, hasActed: boolean): Promise<void> {
    const { status } = scene.observed;
    await this.#tried("keeping records", () => this.#keepRecord(scene));
    if (hasActed || status === undefined) return;
    if (await this.#tried("writing the spec", () => this.#writeSpec(scene, status))) return;
    await this.#tried("writing the status", () => this.#keepStatus(scene, status));
    await this.#tried("deleting old revisions", () => this.#prune(scene));
  }

  /** What is refused, such as a record by a quota, keeps nothing else from being done. */
  async #tried<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      // Somebody wrote first, or the API server is away: the next look does it.
      if (!(error instanceof KubeApiError)) throw error;
      if (error.status !== 409 && error.status !== 404) this.#needs.events.failed(what, error);
      return undefined;
    }
  }

  /**
   * The budget that keeps pods with people on them from being evicted. Resolves with why there is
   * none: a policy of the cluster refuses it, or somebody else's has its name.
   */
  async keepBudget(owner: Owner): Promise<string | undefined> {
    const { api } = this.#needs;
    const path = `${PATHS.budgets(owner.namespace)}/${budgetName(owner.name)}`;
    const none = `Nothing keeps pods with people on them from being evicted:`;
    try {
      const there = await api.get(path).catch(ifNotFound);
      if (there !== undefined && !isBudgetOf(there, owner))
        return `${none} the PodDisruptionBudget ${budgetName(owner.name)} belongs to somebody else.`;
      await api.apply(path, budgetManifest(owner), true);
      return undefined;
    } catch (error) {
      if (!(error instanceof KubeApiError) || error.isTransient || error.isUnauthorized)
        throw error;
      return `${none} ${error.message}`;
    }
  }

  async #keepRecord({ owner, observed, desired, set }: Scene): Promise<void> {
    const { api, releases, wallMs } = this.#needs;
    const { namespace, name } = owner;
    const keep = set.spec.releaseHistoryLimit;
    const named = releases(namespace, name);
    const records = named.filter((one) => isOwnedBy(one, owner.uid));
    const write = recordWrite({
      ...{ owner, records, observed, desired, keep, wallMs: wallMs() },
      afterSerial: Math.max(0, ...named.map(serialOf)),
    });
    if (write === undefined) return;
    const path = PATHS.releases(namespace);
    if (write.kind === "remove") return api.remove(`${path}/${write.name}`);
    const written =
      write.kind === "create"
        ? await api.create(path, write.manifest)
        : named.find((one) => nameOf(one) === write.name);
    if (written === undefined) return;
    // A write of an old leader that comes late is refused: it would open a record that has ended.
    const resourceVersion = versionOf(written);
    const status = { metadata: { resourceVersion }, status: write.status };
    await api.merge(`${path}/${nameOf(written)}/status`, status);
  }

  /**
   * Takes away commands that were obeyed, and states the number of pods if nobody did: autoscalers
   * read it.
   */
  async #writeSpec({ set, desired, updatedRevision }: Scene, memory: Status): Promise<boolean> {
    const over = obeyed(set.commands, memory, updatedRevision);
    const isStated = set.spec.replicas !== undefined || set.spec.autoscaling !== undefined;
    if (over.length === 0 && isStated) return false;
    const annotations = Object.fromEntries(over.map((name) => [name, null]));
    await this.#needs.api.merge(`${PATHS.sets(set.namespace)}/${set.name}`, {
      metadata: { resourceVersion: set.resourceVersion, annotations },
      ...(isStated ? {} : { spec: { replicas: desired.replicas } }),
    });
    return true;
  }

  async #keepStatus(scene: Scene, memory: Status): Promise<void> {
    const { wallMs, nowMs } = this.#needs;
    const figures = figuresOf(scene.observed, scene.desired, wallMs());
    const isDue = nowMs() - this.#writtenMs >= FIGURES_MS && !isSaid(scene.stored, figures);
    if (isDue || !isSeen(scene)) await this.writeStatus(scene, memory);
  }

  async #prune({ set, replicaSets, observed, desired }: Scene): Promise<void> {
    for (const one of pruned(replicaSets, observed, desired, set.spec.revisionHistoryLimit))
      await this.#needs.api.remove(`${PATHS.replicaSets(set.namespace)}/${nameOf(one)}`, {
        uid: uidOf(one),
        resourceVersion: versionOf(one),
      });
  }
}

function ifNotFound(error: unknown): undefined {
  if (error instanceof KubeApiError && error.isNotFound) return undefined;
  throw error;
}

/** Ours, or one that an earlier set of this name left behind. */
const isBudgetOf = (budget: Json, { name, uid }: Owner): boolean =>
  isOwnedBy(budget, uid) ||
  (controllerOf(budget) === undefined && labelsOf(budget)[SET_LABEL] === name);
