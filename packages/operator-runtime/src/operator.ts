// Owns: the operator process: what it watches, whether it leads, and whose turn it is.
import {
  type Change,
  createEventRecorder,
  type Json,
  type KubeApi,
  type KubePorts,
  type KubeWatcher,
  Lease,
  type LeaseEvent,
  machinePorts,
  type RecorderEvent,
  Reflector,
  type ReflectorEvent,
  WorkQueue,
} from "@holdfast/kube";
import type { SetAsRead } from "@holdfast/operator";
import { type DemandAnswer, demandFor, type SetPlace } from "./demand.ts";
import type { OperatorEvents } from "./events.ts";
import { gatewayAddresses, gatewayNamespace } from "./gateway-addresses.ts";
import { whyGone } from "./gateway-fate.ts";
import { GatewayPlanes } from "./gateway-planes.ts";
import { PATHS, SET_LABEL } from "./names.ts";
import { NodePlanes } from "./node-planes.ts";
import {
  isSilent,
  keptOfMachine,
  keptOfPod,
  nameOf,
  namespaceOf,
  readPod,
  uidOf,
} from "./objects.ts";
import { Outages } from "./outages.ts";
import { PlaneError, type Planes } from "./plane.ts";
import { SecretValue } from "./secrets.ts";
import { type Caches, SetController } from "./set-controller.ts";
import { SetIndex, setKey } from "./set-index.ts";

export interface OperatorOptions {
  readonly api: KubeApi & KubeWatcher;
  /** Namespaces whose sets it looks after. Empty: all. */
  readonly namespaces: readonly string[];
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Such as the pod's name. */
  readonly identity: string;
  readonly events: OperatorEvents & RuntimeEvents;
  readonly ports?: KubePorts;
}

/** What the process tells beside what its sets do. */
export interface RuntimeEvents {
  leads(epoch: number): void;
  lost(because: string): void;
  watch(kind: string, event: ReflectorEvent): void;
  /** What became of an Event of Kubernetes. */
  noted(event: RecorderEvent): void;
  /** Who holds the Lease, and tries to take or renew it that failed. */
  lease(event: LeaseEvent): void;
  /** More sets than the queue holds: this one is looked at when something of it changes. */
  queueFull(set: string): void;
}

export const KINDS = ["sets", "pods", "replicasets", "releases", "budgets", "machines"] as const;
export type Kind = (typeof KINDS)[number];

/** How ready the process is, for probes. */
export interface OperatorState {
  readonly isLeader: boolean;
  /** Kinds that were not listed yet. */
  readonly unsynced: readonly Kind[];
  readonly sets: number;
  /** Ms since the API server was last heard of, by the quietest watch. */
  readonly staleMs: number;
  /** The same of each kind, by its quietest watch. Infinite: it was not listed yet. */
  readonly staleMsOf: Readonly<Record<Kind, number>>;
  /** Sets that are due and wait for a worker, and those that are worked on. */
  readonly queue: { readonly waiting: number; readonly working: number; readonly oldestMs: number };
}

/** A set is looked at again after this, also if nothing was heard of it. */
const LOOK_MS = 1000;
/**
 * What a watch heard longer ago decides nothing: pods may be gone, and their addresses somebody
 * else's. A watch hears a bookmark each minute, and lists again after 130 s of silence.
 */
const STALE_MS = 180_000;
/**
 * Sets that are worked on at a time. A look waits for the API server, and some seconds for orders
 * that pods do not take: a few sets of that kind keep no other waiting.
 */
const WORKERS = 32;

export class Operator {
  readonly #options: OperatorOptions;
  readonly #ports: KubePorts;
  readonly #lease: Lease;
  readonly #queue: WorkQueue;
  readonly #sets = new Map<string, Json>();
  readonly #controllers = new Map<
    string,
    { readonly uid: string; readonly controller: SetController }
  >();
  readonly #pods = new SetIndex();
  readonly #replicaSets = new SetIndex();
  readonly #releases = new SetIndex();
  readonly #budgets = new SetIndex();
  readonly #reflectors: readonly { readonly kind: Kind; readonly reflector: Reflector }[];
  readonly #outages = new Outages();
  readonly #recorder: ReturnType<typeof createEventRecorder>;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#ports = options.ports ?? machinePorts;
    const { api, identity, events } = options;
    this.#recorder = createEventRecorder({
      ...{ api, controller: "holdfast.dev/operator", instance: identity, ...this.#ports },
      tell: (event) => events.noted(event),
    });
    this.#queue = new WorkQueue({
      ...this.#ports,
      workers: WORKERS,
      work: (key) => this.#work(key),
      tell: (event) => {
        if (event.type === "failed") events.failed(`looking at ${event.key}`, event.error);
        if (event.type === "refused") events.queueFull(event.key);
      },
    });
    this.#lease = new Lease({
      ...{ ...options.lease, api, identity, ...this.#ports },
      onLead: (epoch) => {
        events.leads(epoch);
        for (const key of this.#sets.keys()) this.#queue.add(key);
      },
      onLose: (because) => events.lost(because),
      tell: (event) => {
        const nowMs = this.#ports.clock.nowMs();
        if (event.type === "answered") this.#outages.answered(nowMs);
        else if (event.type === "failed") this.#outages.failed(nowMs);
        events.lease(event);
      },
    });
    const places = options.namespaces.length === 0 ? [undefined] : options.namespaces;
    this.#reflectors = [
      ...places.flatMap((namespace) => this.#watches(namespace)),
      this.#watch("machines", PATHS.machines, { keep: keptOfMachine, onChange: () => {} }),
    ];
  }

  start(): void {
    for (const { reflector } of this.#reflectors) reflector.start();
    this.#lease.start();
  }

  /** Ends what it does, writes what waits, and gives the lease back. */
  async stop(): Promise<void> {
    await this.#queue.stop();
    await this.#lease.stop();
    for (const { reflector } of this.#reflectors) reflector.stop();
    await this.#recorder.flush();
    this.#recorder.stop();
  }

  get state(): OperatorState {
    const nowMs = this.#ports.clock.nowMs();
    return {
      isLeader: this.#lease.isLeader,
      unsynced: [
        ...new Set(
          this.#reflectors.flatMap(({ kind, reflector }) => (reflector.isSynced ? [] : [kind])),
        ),
      ],
      sets: this.#sets.size,
      staleMs: Math.max(...this.#reflectors.map(({ reflector }) => reflector.staleMs(nowMs))),
      staleMsOf: Object.fromEntries(
        KINDS.map((kind) => [kind, this.#staleMsOf(kind, nowMs)]),
      ) as Record<Kind, number>,
      queue: {
        waiting: this.#queue.waiting,
        working: this.#queue.working,
        oldestMs: this.#queue.oldestMs(nowMs),
      },
    };
  }

  /** What an autoscaler elsewhere is told of a set. */
  demandOf(place: SetPlace): DemandAnswer {
    const { unsynced, staleMs } = this.state;
    return demandFor(place, {
      isLeader: this.#lease.epoch !== undefined,
      isUpToDate: unsynced.length === 0 && staleMs < STALE_MS,
      namespaces: this.#options.namespaces,
      nowMs: this.#ports.clock.nowMs(),
      stored: (key) => this.#sets.get(key),
      demand: (key) => this.#controllers.get(key)?.controller.demand,
    });
  }

  #staleMsOf(kind: Kind, nowMs: number): number {
    const mine = this.#reflectors.filter((one) => one.kind === kind);
    return Math.max(...mine.map(({ reflector }) => reflector.staleMs(nowMs)));
  }

  #watches(namespace: string | undefined) {
    const labelSelector = SET_LABEL;
    const indexed = (index: SetIndex) => (change: Change) => this.#queue.add(index.take(change));
    return [
      this.#watch("sets", PATHS.sets(namespace), { onChange: (change) => this.#take(change) }),
      this.#watch("pods", PATHS.pods(namespace), {
        ...{ labelSelector, keep: keptOfPod, onChange: indexed(this.#pods) },
      }),
      this.#watch("replicasets", PATHS.replicaSets(namespace), {
        ...{ labelSelector, onChange: indexed(this.#replicaSets) },
      }),
      this.#watch("releases", PATHS.releases(namespace), {
        ...{ labelSelector, onChange: indexed(this.#releases) },
      }),
      this.#watch("budgets", PATHS.budgets(namespace), {
        ...{ labelSelector, onChange: indexed(this.#budgets) },
      }),
    ];
  }

  #watch(
    kind: Kind,
    path: string,
    how: {
      readonly labelSelector?: string;
      readonly keep?: (object: Json) => Json;
      readonly onChange: (change: Change) => void;
    },
  ): { readonly kind: Kind; readonly reflector: Reflector } {
    const { api, events } = this.#options;
    const tell = (event: ReflectorEvent) => events.watch(kind, event);
    return { kind, reflector: new Reflector(api, { path, ...how, tell, ...this.#ports }) };
  }

  #take({ type, object }: Change): void {
    const key = setKey(namespaceOf(object), nameOf(object));
    if (type === "removed") this.#sets.delete(key);
    else this.#sets.set(key, object);
    this.#queue.add(key);
  }

  /** One look at one set. Resolves with the time until the next. */
  async #work(key: string): Promise<number | undefined> {
    const stored = this.#sets.get(key);
    if (stored === undefined) {
      if (this.#controllers.delete(key)) this.#options.events.forgotten(key);
      return undefined;
    }
    // What was not listed yet would look gone.
    const { unsynced, staleMs } = this.state;
    if (this.#lease.epoch === undefined || unsynced.length > 0 || staleMs >= STALE_MS)
      return LOOK_MS;
    await this.#controllerFor(key, stored).reconcile(stored);
    return LOOK_MS;
  }

  /** Another set of the same name begins anew: its budget and its orphans were not looked for. */
  #controllerFor(key: string, stored: Json): SetController {
    const uid = uidOf(stored);
    const known = this.#controllers.get(key);
    if (known?.uid === uid) return known.controller;
    const controller = this.#controllerOf(key);
    this.#controllers.set(key, { uid, controller });
    return controller;
  }

  #controllerOf(key: string): SetController {
    const { clock } = this.#ports;
    return new SetController(key, {
      api: this.#options.api,
      caches: this.#caches(),
      events: this.#options.events,
      note: (regarding, reason, note) =>
        this.#recorder.record({
          ...{ regarding, reason, note, action: reason },
          type: WARNINGS.has(reason) ? "Warning" : "Normal",
        }),
      nowMs: () => clock.nowMs(),
      wallMs: () => clock.wallMs(),
      epoch: () => this.#lease.epoch,
      lagMs: () => this.#outages.lagMs(clock.nowMs()),
      planesOf: (set) => this.#planesOf(set),
    });
  }

  #caches(): Caches {
    const machines = this.#reflectors.find(({ kind }) => kind === "machines")?.reflector;
    return {
      pods: (namespace, set) => this.#pods.of(namespace, set),
      replicaSets: (namespace, set) => this.#replicaSets.of(namespace, set),
      releases: (namespace, set) => this.#releases.of(namespace, set),
      budgets: (namespace, set) => this.#budgets.of(namespace, set),
      machines: () => [...(machines?.objects ?? [])],
    };
  }

  #planesOf({ namespace, name, spec }: SetAsRead): Planes {
    const { node, gateway } = spec.dataPlane;
    const keyOf = (keySecret: { readonly name: string; readonly key: string }) => {
      const source = { namespace, ...keySecret };
      const secret = new SecretValue(this.#options.api, source, () => this.#ports.clock.nowMs());
      return { key: () => secret.value(), keyRefused: () => secret.refused() };
    };
    if (gateway !== undefined) {
      const { service, keySecret, ...rest } = gateway;
      return new GatewayPlanes({
        ...{ ...rest, ...keyOf(keySecret), connectionsMax: spec.connections.perPod },
        gateways: () => gatewayAddresses(service, namespace),
        whyGone: (gateway) =>
          whyGone(gateway, {
            api: this.#options.api,
            namespace: gatewayNamespace(service, namespace),
            isMachineSilent: (machine) => this.#isMachineSilent(machine),
          }),
        podsOf: (revision) => this.#readyPods(namespace, name, revision),
        nowMs: () => this.#ports.clock.nowMs(),
      });
    }
    // The rules of the resource allow nothing else.
    if (node === undefined)
      throw new PlaneError("refused", "Cannot speak to pods: found no data plane, expected one");
    const { keySecret, ...rest } = node;
    return new NodePlanes({ ...rest, ...keyOf(keySecret) });
  }

  /** Its kubelet says nothing to Kubernetes, or it was removed. */
  #isMachineSilent(name: string): boolean {
    const machine = this.#caches()
      .machines()
      .find((one) => nameOf(one) === name);
    return machine === undefined || isSilent(machine);
  }

  /** Addresses of the ready pods of a revision. */
  #readyPods(namespace: string, set: string, revision: string): readonly string[] {
    return this.#pods
      .of(namespace, set)
      .map(readPod)
      .filter((pod) => pod.revision === revision && pod.isReady && !pod.isTerminating)
      .flatMap(({ address }) => address ?? []);
  }
}

/** Events that ask a person to look. */
const WARNINGS: ReadonlySet<string> = new Set([
  "RolledBack",
  "DeadlineOver",
  "Invalid",
  "InvalidTemplate",
  "BudgetRefused",
  "BudgetRestored",
  "Strays",
  "Blocked",
  "TwoOwners",
  "GatewaySilent",
  "GatewayGone",
]);
