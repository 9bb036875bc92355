// Owns: endpoints of a Service of Kubernetes, from its EndpointSlices, as they change.
import {
  at,
  type BackoffLimits,
  type Json,
  type KubePorts,
  type KubeWatcher,
  machinePorts,
  Reflector,
  type ReflectorEvent,
  record,
} from "@holdfast/kube";
import type { Endpoint } from "@holdfast/rehoming";
import { type Discovery, ENDPOINTS_MAX } from "./discovery.ts";
import { readSlices } from "./endpoint-slices.ts";
import { PodRevisions } from "./pod-revisions.ts";

export interface KubernetesDiscoveryOptions extends Partial<KubePorts> {
  readonly api: KubeWatcher;
  readonly namespace: string;
  /** Of the Service. */
  readonly name: string;
  /** Its name, or the number that the pods listen on. Undefined: the only one. */
  readonly port?: string | number | undefined;
  /**
   * Another Service with the same pods or fewer: only its pods take new clients. Those that it
   * lacks keep theirs.
   */
  readonly receiving?: string | undefined;
  /** Label of the pods that has their revision. Absent: endpoints have none. */
  readonly revisionLabel?: string | undefined;
  /** More endpoints are left out, and `trouble` says so. Default 1,000. */
  readonly endpointsMax?: number;
  /** Default 0.5 to 15 s. */
  readonly backoff?: BackoffLimits;
  /** What happens to the watch, for logs and metrics. */
  readonly tell?: (event: ReflectorEvent) => void;
}

/** The controller puts at most 1,000 endpoints into a slice, and 100 by default. */
const SLICES_MAX = 1000;
/** Changes of one moment are told together. */
const TOGETHER_MS = 20;
/**
 * An address that moves from one slice to another is in neither for a moment. One that vanishes
 * without having been terminating is told so late.
 */
const VANISHED_MS = 500;

/** Whether Kubernetes can have a namespace or a Service of that name: a DNS label. */
export const isKubeName = (name: string): boolean =>
  /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name);

const SERVICE_LABEL = "kubernetes.io/service-name";

export class KubernetesDiscovery implements Discovery {
  readonly #options: KubernetesDiscoveryOptions;
  readonly #ports: KubePorts;
  readonly #reflector: Reflector;
  readonly #revisions: PodRevisions | undefined;
  #found: ((endpoints: readonly Endpoint[]) => void) | undefined;
  #cancel: (() => void) | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  /** As it was told last, by address; undefined before the first time. */
  #told: ReadonlyMap<string, Endpoint> | undefined;
  /** Of those, the ones that terminated: nobody waits for them. */
  #ending: ReadonlySet<string> = new Set();
  /** When an address that is told was first missing. */
  readonly #missingSinceMs = new Map<string, number>();
  #watchTrouble: string | undefined = "the API server has not answered yet";
  #sliceTrouble: string | undefined;

  constructor(options: KubernetesDiscoveryOptions) {
    const { namespace, name: service, receiving } = options;
    for (const name of [namespace, service, receiving ?? service])
      if (!isKubeName(name)) throw new RangeError(`Cannot watch ${name}: expected a DNS label`);
    this.#options = options;
    this.#ports = { ...machinePorts, ...options };
    const { backoff, revisionLabel: label } = options;
    const often = { ...this.#ports, ...(backoff === undefined ? {} : { backoff }) };
    const onChange = (): void => this.#soon(TOGETHER_MS);
    this.#reflector = new Reflector(options.api, {
      ...often,
      path: `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`,
      labelSelector:
        receiving === undefined
          ? `${SERVICE_LABEL}=${service}`
          : `${SERVICE_LABEL} in (${service},${receiving})`,
      objectsMax: SLICES_MAX,
      keep: kept,
      onChange,
      tell: (event) => this.#watched(event),
    });
    if (label !== undefined) {
      const { api } = options;
      this.#revisions = new PodRevisions({ ...often, api, namespace, label, onChange });
    }
  }

  start(found: (endpoints: readonly Endpoint[]) => void): void {
    this.#found = found;
    this.#reflector.start();
    this.#revisions?.start();
  }

  stop(): void {
    this.#found = undefined;
    this.#reflector.stop();
    this.#revisions?.stop();
    this.#cancel?.();
    this.#cancel = undefined;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  get trouble(): string | undefined {
    const { namespace, name } = this.#options;
    const unnamed = this.#revisions?.trouble;
    const trouble =
      this.#watchTrouble ??
      this.#sliceTrouble ??
      (unnamed === undefined ? undefined : `revisions of its pods: ${unnamed}`);
    return trouble === undefined ? undefined : `Service ${namespace}/${name}: ${trouble}`;
  }

  #watched(event: ReflectorEvent): void {
    if (event.type === "failed") this.#watchTrouble = event.error.message;
    // A watch that ends is begun again soon; only what is refused is trouble.
    else if (event.type === "listed" || event.type === "watching") this.#watchTrouble = undefined;
    // A Service without slices has no changes, and must be told, too.
    if (event.type === "listed") this.#soon(TOGETHER_MS);
    this.#options.tell?.(event);
  }

  /** Looks once, not later than this. */
  #soon(delayMs: number): void {
    const { clock } = this.#ports;
    const dueMs = clock.nowMs() + delayMs;
    if (this.#found === undefined || dueMs >= this.#dueMs) return;
    this.#cancel?.();
    this.#dueMs = dueMs;
    this.#cancel = clock.after(delayMs, () => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#look();
    });
  }

  #look(): void {
    const { name, receiving, port, endpointsMax = ENDPOINTS_MAX } = this.#options;
    const revisions = this.#revisions?.all();
    const read = readSlices(this.#slicesOf(name), {
      ...{ port, endpointsMax, revisionOf: (pod) => revisions?.get(pod) },
      receiving: receiving === undefined ? undefined : this.#slicesOf(receiving),
    });
    this.#sliceTrouble = read.trouble;
    const now = new Set(read.endpoints.map(({ address }) => address));
    const all = [...read.endpoints, ...this.#vanished(now)];
    const next = new Map(
      all
        .toSorted((a, b) => (a.address < b.address ? -1 : 1))
        .map((endpoint) => [endpoint.address, endpoint]),
    );
    this.#ending = read.ending;
    if (this.#told !== undefined && Bun.deepEquals(this.#told, next)) return;
    this.#told = next;
    this.#found?.([...next.values()]);
  }

  #slicesOf(service: string): readonly Json[] {
    return [...this.#reflector.objects].filter(
      (slice) => at(slice, "metadata", "labels", SERVICE_LABEL) === service,
    );
  }

  /** Those that are missing for so short a time that they may only be between two slices. */
  #vanished(now: ReadonlySet<string>): readonly Endpoint[] {
    const nowMs = this.#ports.clock.nowMs();
    const still: Endpoint[] = [];
    for (const [address, endpoint] of this.#told ?? []) {
      if (now.has(address) || this.#ending.has(address)) {
        this.#missingSinceMs.delete(address);
        continue;
      }
      const sinceMs = this.#missingSinceMs.get(address) ?? nowMs;
      this.#missingSinceMs.set(address, sinceMs);
      const leftMs = sinceMs + VANISHED_MS - nowMs;
      if (leftMs <= 0) this.#missingSinceMs.delete(address);
      else {
        still.push(endpoint);
        this.#soon(leftMs);
      }
    }
    return still;
  }
}

/** What is held of a slice: a thousand of them may be there. */
function kept({ metadata, addressType, endpoints, ports }: Json): Json {
  const { name, namespace, uid, resourceVersion, labels } = record(metadata);
  const service = at(labels, SERVICE_LABEL);
  return {
    metadata: { name, namespace, uid, resourceVersion, labels: { [SERVICE_LABEL]: service } },
    ...{ addressType, endpoints, ports },
  };
}
