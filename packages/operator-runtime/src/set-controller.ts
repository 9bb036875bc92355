// Owns: one RealtimeSet: what is seen of it, what is decided, and what is done.
import type { Json, KubeApi } from "@holdfast/kube";
import {
  type Demand,
  decide,
  demandOf,
  isActive,
  leastToken,
  memoryOf,
  readSet,
  type SetAsRead,
  type Status,
  TOKEN_MAX,
} from "@holdfast/operator";
import { adopt, handOver, isOrphanOf } from "./adoption.ts";
import { Bookkeeping } from "./bookkeeping.ts";
import { carryOut, type Outcome, type Target } from "./carry-out.ts";
import type { OperatorEvents } from "./events.ts";
import { FeltCounts } from "./felt-counts.ts";
import { isBudgetKept, isOwnedBy, type Owner, replicaSetManifest } from "./manifests.ts";
import { HAND_OVER_ANNOTATION, REVISION_LABEL } from "./names.ts";
import { annotationsOf, labelsOf, nameOf, readPod, type SeenPod } from "./objects.ts";
import { observe, podsOf } from "./observe.ts";
import { OrderPace } from "./order-pace.ts";
import type { Planes } from "./plane.ts";
import { ReplicaOwners } from "./replica-owners.ts";
import { Reports } from "./reports.ts";
import { Revisions } from "./revisions.ts";
import { gaugesOf } from "./set-figures.ts";
import { ownerOf, type Scene, stepNameOf, updatedRevisionOf, wishOf } from "./set-scene.ts";
import { TemplateCheck } from "./template-check.ts";
import { Watched } from "./watched.ts";

/** What was heard of the cluster, by the name of the set. */
export interface Caches {
  pods(namespace: string, set: string): readonly Json[];
  replicaSets(namespace: string, set: string): readonly Json[];
  releases(namespace: string, set: string): readonly Json[];
  budgets(namespace: string, set: string): readonly Json[];
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
  /** For how long balancers may be behind from now on. */
  readonly lagMs: () => number;
  readonly planesOf: (set: SetAsRead) => Planes;
}

/** A cache that is behind is refused once or twice. */
const BLOCKED_TIMES = 10;
/** What nobody watches is looked at again after this. */
const CHECK_MS = 60_000;
/** A budget that somebody deletes again and again is made so often. */
const BUDGET_MS = 1000;
/** What has the set's label and is not its own for so long is told: caches are behind at times. */
const STRAY_MS = 60_000;
const STRAYS_NAMED = 3;

const RESTORED =
  "The PodDisruptionBudget of this set was deleted or changed. It is back: without it pods with people on them could be evicted.";

/** The last look at which something was decided. What it needs is computed if somebody asks. */
interface Looked extends Pick<Scene, "observed" | "desired"> {
  readonly wallMs: number;
  readonly atMs: number;
  demand?: { readonly found: Demand | undefined };
}

export class SetController {
  readonly #needs: SetNeeds;
  readonly #key: string;
  readonly #watched = new Watched();
  readonly #revisions = new Revisions();
  readonly #felt = new FeltCounts();
  readonly #reports: Reports;
  readonly #books: Bookkeeping;
  readonly #templates: TemplateCheck;
  readonly #owners = new ReplicaOwners();
  #planes: { readonly forSpec: string; readonly planes: Planes } | undefined;
  readonly #pace: OrderPace;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #budgetMs = Number.NEGATIVE_INFINITY;
  /** The watch has shown the budget as it should be. */
  #hadBudget = false;
  /** Why nothing keeps pods with people on them from being evicted. */
  #withoutBudget: string | undefined;
  /** What was told last of what, so that it is told once. */
  readonly #told = new Map<string, string>();
  #overtaken = 0;
  #looked: Looked | undefined;

  constructor(key: string, needs: SetNeeds) {
    const { api, caches, events, nowMs, wallMs } = needs;
    this.#key = key;
    this.#needs = needs;
    const asked = (outcome: Parameters<OperatorEvents["asked"]>[1]) => events.asked(key, outcome);
    this.#pace = new OrderPace(nowMs);
    const spoke = (uid: string) => this.#pace.answered(uid);
    this.#reports = new Reports({ nowMs, felt: this.#felt, asked, spoke });
    const releases: Caches["releases"] = (namespace, set) => caches.releases(namespace, set);
    this.#books = new Bookkeeping({ api, events, releases, nowMs, wallMs });
    this.#templates = new TemplateCheck(api, nowMs);
  }

  /** What the set needs, as it was seen when; undefined: it was not looked at, or nobody knows. */
  get demand(): { readonly demand: Demand | undefined; readonly atMs: number } | undefined {
    if (this.#looked === undefined) return undefined;
    const { observed, desired, wallMs, atMs } = this.#looked;
    this.#looked.demand ??= { found: demandOf(observed, desired, wallMs) };
    return { demand: this.#looked.demand.found, atMs };
  }

  /**
   * One look and what follows from it. Rejects with KubeApiError if the API server does not answer;
   * the caller tries again. Does nothing if this process does not lead.
   */
  async reconcile(stored: Json): Promise<void> {
    const { events, nowMs } = this.#needs;
    const startedMs = nowMs();
    if (this.#needs.epoch() === undefined || this.#books.isBehind(stored)) return;
    const read = readSet(stored);
    const memory = memoryOf(stored);
    if (!read.ok || !memory.ok) {
      const problems = [read, memory].flatMap((one) => (one.ok ? [] : one.problems));
      this.#tellOnce(stored, "Invalid", problems.join(" "));
      return this.#gaveUp(startedMs);
    }
    this.#tellOnce(stored, "Invalid", read.value.commandProblems.join(" "));
    this.#tellOnce(stored, "TwoOwners", this.#owners.fight(stored, nowMs()) ?? "");
    if (read.value.isTerminating) return;
    if (annotationsOf(stored)[HAND_OVER_ANNOTATION] === "true")
      return await this.#letGo(stored, read.value);
    if (!(await this.#isChecked(stored, read.value))) return;
    const scene = await this.#sceneOf(stored, read.value, memory.value);
    const trouble = scene.planes.trouble?.();
    this.#tellOnce(stored, "GatewaySilent", trouble?.silent ?? "");
    this.#tellOnce(stored, "GatewayGone", trouble?.gone ?? "");
    void this.#reports
      .round(scene.pods, scene.planes)
      .catch((error: unknown) => events.failed("asking data planes", error));
    // A new set of which no pod can be made: there is nothing to decide.
    const isHopeless = scene.templateProblem !== undefined && memory.value === undefined;
    if (!isHopeless) return await this.#decide(scene, startedMs);
    await this.#books.writeRefusal(scene);
    this.#gaveUp(startedMs);
  }

  /** Nothing can be decided until somebody mends the object. */
  #gaveUp(startedMs: number): void {
    const { events, nowMs } = this.#needs;
    const tookMs = nowMs() - startedMs;
    const info = { set: this.#key, actions: [], tookMs, isBlocked: false };
    const isUnprotected = this.#withoutBudget !== undefined;
    events.reconciled({ ...info, isUnprotected, outcome: "invalid" });
  }

  async #decide(scene: Scene, startedMs: number): Promise<void> {
    const { api, epoch, events, wallMs, nowMs } = this.#needs;
    const { observed, desired } = scene;
    const decidedMs = wallMs();
    const { actions } = decide(observed, desired, decidedMs);
    this.#looked = { observed, desired, wallMs: decidedMs, atMs: nowMs() };
    const outcome = await carryOut(actions, this.#targetOf(scene), {
      api,
      mayAct: () => epoch() === scene.observed.leaderEpoch,
      acted: (kind, became) => events.acted(this.#key, kind, became),
    });
    this.#notice(scene.stored, outcome);
    if (outcome.kind === "done") await this.#books.tidyUp(scene, actions.length > 0);
    const kinds = actions.map(({ kind }) => kind);
    const tookMs = nowMs() - startedMs;
    events.reconciled({
      ...{ set: this.#key, outcome: outcome.kind, actions: kinds, tookMs },
      isBlocked: this.#overtaken >= BLOCKED_TIMES,
      isUnprotected: this.#withoutBudget !== undefined,
    });
    const gauges = gaugesOf(scene.observed, scene.desired, wallMs());
    events.figures(this.#key, { ...gauges, strays: scene.strays });
  }

  /** What is refused again and again is told to people. */
  #notice(stored: Json, outcome: Outcome): void {
    if (outcome.kind === "failed") this.#needs.events.failed("a write", outcome.error);
    const isRefused = outcome.kind === "overtaken" || outcome.kind === "failed";
    this.#overtaken = isRefused ? this.#overtaken + 1 : 0;
    if (this.#overtaken !== BLOCKED_TIMES) return;
    const why =
      outcome.kind === "overtaken"
        ? `${outcome.by} is refused again and again: ${outcome.why}`
        : outcome.kind === "failed"
          ? outcome.error.message
          : "";
    this.#tell(stored, "Blocked", why);
  }

  /** An Event for each new text; none for an empty one. */
  #tellOnce(stored: Json, reason: string, said: string): void {
    if ((this.#told.get(reason) ?? "") === said) return;
    this.#told.set(reason, said);
    if (said !== "") this.#tell(stored, reason, said);
  }

  async #sceneOf(stored: Json, set: SetAsRead, memory: Status | undefined): Promise<Scene> {
    const { caches, epoch, lagMs, nowMs, wallMs } = this.#needs;
    const { namespace, name, uid, resourceVersion } = set;
    const owner = this.#ownerOf(stored, set);
    // Anybody can write the set's label: what the set does not own is not its.
    const replicaSets = caches.replicaSets(namespace, name).filter((one) => isOwnedBy(one, uid));
    const updatedRevision = updatedRevisionOf(owner, replicaSets, this.#revisions);
    const problem = await this.#templates.problem(owner, updatedRevision, replicaSets);
    this.#tellOnce(stored, "InvalidTemplate", problem ?? "");
    const labelled = caches.pods(namespace, name);
    const pods = podsOf(labelled, replicaSets);
    const strays = this.#straysOf(stored, labelled, pods);
    const release = memory?.release;
    const observed = observe(
      {
        ...{ resourceVersion, status: memory, pods, replicaSets },
        machines: caches.machines(),
        reportOf: (pod) => this.#reports.of(pod),
        tallies:
          release === undefined
            ? undefined
            : this.#felt.since(stepNameOf(memory), release.to, release.from),
        leaderEpoch: epoch() ?? 0,
        announcedConnections: 0,
        lagMs: lagMs(),
      },
      this.#watched,
      { nowMs: nowMs(), wallMs: wallMs() },
    );
    const found = {
      updatedRevision,
      ...(problem === undefined ? {} : { templateProblem: problem }),
    };
    return {
      ...{ stored, set, owner, observed, pods, replicaSets, strays, planes: this.#planesOf(set) },
      ...found,
      desired: wishOf(set, observed, found),
    };
  }

  /**
   * Pods that have the set's label and no ReplicaSet of the set, such as of one that somebody
   * deleted without them. People may be on them, and nobody drains or removes them.
   */
  #straysOf(stored: Json, labelled: readonly Json[], own: readonly SeenPod[]): number {
    const nowMs = this.#needs.nowMs();
    const uids = new Set(own.map(({ uid }) => uid));
    const names = labelled
      .map(readPod)
      .filter((pod) => !uids.has(pod.uid) && isActive(pod))
      .filter(({ uid }) => this.#watched.forMs(`stray ${uid}`, nowMs) >= STRAY_MS)
      .map(({ name }) => name)
      .sort();
    const more = names.length > STRAYS_NAMED ? ", ..." : "";
    const shown = `${names.slice(0, STRAYS_NAMED).join(", ")}${more}`;
    const said = `${names.length} pods have the label of this set and none of its ReplicaSets. Nobody drains or removes them: ${shown}`;
    this.#tellOnce(stored, "Strays", names.length === 0 ? "" : said);
    return names.length;
  }

  #ownerOf(stored: Json, set: SetAsRead): Owner {
    return ownerOf(stored, set, this.#revisions.ofText(set.spec.template));
  }

  #planesOf(set: SetAsRead): Planes {
    const forSpec = JSON.stringify(set.spec.dataPlane);
    if (this.#planes?.forSpec !== forSpec)
      this.#planes = { forSpec, planes: this.#needs.planesOf(set) };
    return this.#planes.planes;
  }

  #targetOf(scene: Scene): Target {
    const { owner, desired, observed, pods, replicaSets, planes, stored } = scene;
    const byUid = new Map(pods.map((pod) => [pod.uid, pod]));
    this.#pace.keep(byUid.keys());
    return {
      pace: this.#pace,
      namespace: owner.namespace,
      planes,
      windowMs: desired.drain.windowMs,
      place: (uid) => {
        const address = byUid.get(uid)?.address;
        return address === undefined ? undefined : { uid, address };
      },
      markOf: (uid) => byUid.get(uid)?.mark,
      tokenOf: (uid) => {
        const fence = this.#reports.of(uid)?.fence ?? 0;
        if (fence >= TOKEN_MAX) return undefined;
        return leastToken([byUid.get(uid)?.mark?.token ?? 0, fence], observed.leaderEpoch);
      },
      isShedding: (uid, { keep, toRevision }) => {
        const shed = this.#reports.of(uid)?.shed;
        return shed?.keep === keep && shed.toRevision === toRevision && shed.remaining > 0;
      },
      replicaSet: (revision) => {
        const found = replicaSets.find((one) => labelsOf(one)[REVISION_LABEL] === revision);
        return found === undefined ? undefined : nameOf(found);
      },
      manifest: (revision, replicas) =>
        revision === scene.updatedRevision && scene.templateProblem === undefined
          ? replicaSetManifest(owner, revision, replicas)
          : undefined,
      writeStatus: (status) => this.#books.writeStatus(scene, status),
      event: (reason, told) => this.#tell(stored, reason, told),
    };
  }

  #tell(stored: Json, reason: string, told: string): void {
    this.#needs.note(stored, reason, told);
    this.#needs.events.told(this.#key, reason, told);
  }

  /**
   * Sees to the budget, and takes a Deployment over. Until that is done nothing is decided: pods
   * that are to be taken over would be missing.
   */
  async #isChecked(stored: Json, set: SetAsRead): Promise<boolean> {
    const { api, caches, nowMs } = this.#needs;
    const owner = this.#ownerOf(stored, set);
    const { namespace, name } = set;
    const hasOrphans = caches.replicaSets(namespace, name).some((one) => isOrphanOf(one, owner));
    const isLost = this.#hasLostBudget(owner);
    if (!hasOrphans && !isLost && nowMs() - this.#checkedMs < CHECK_MS) return true;
    // If the API server does not answer, the next look tries again.
    this.#checkedMs = Number.NEGATIVE_INFINITY;
    this.#withoutBudget = await this.#books.keepBudget(owner);
    this.#budgetMs = nowMs();
    this.#tellOnce(stored, "BudgetRefused", this.#withoutBudget ?? "");
    if (isLost && this.#withoutBudget === undefined) this.#tell(stored, "BudgetRestored", RESTORED);
    const adopted = await adopt(api, owner);
    if (adopted === undefined) {
      this.#checkedMs = nowMs();
      // The cache is behind: what was taken over would look like nothing.
      return !hasOrphans;
    }
    const { deployment } = adopted;
    if (deployment !== "")
      this.#tell(stored, "Adopted", `The pods of Deployment ${deployment} belong to this set now.`);
    return false;
  }

  /** It was seen as it should be, and is not now: somebody deleted or changed it. */
  #hasLostBudget(owner: Owner): boolean {
    const { caches, nowMs } = this.#needs;
    const budgets = caches.budgets(owner.namespace, owner.name);
    if (budgets.some((one) => isBudgetKept(one, owner))) {
      this.#hadBudget = true;
      return false;
    }
    if (!this.#hadBudget || nowMs() - this.#budgetMs < BUDGET_MS) return false;
    this.#hadBudget = false;
    return true;
  }

  async #letGo(stored: Json, set: SetAsRead): Promise<void> {
    const { api, caches } = this.#needs;
    const replicaSets = caches.replicaSets(set.namespace, set.name);
    const count = await handOver(api, this.#ownerOf(stored, set), replicaSets);
    const said = `${count} ReplicaSets belong to nobody now. A Deployment may take them.`;
    if (count > 0) this.#tell(stored, "HandedOver", said);
  }
}
