// Owns: pings, connections and drain of one workload, and whether each figure is configured, told
// or assumed.
import {
  at,
  DRAIN_DEFAULTS,
  type DrainInput,
  type DrainPlan,
  GRACE_MARGIN_SECONDS,
  list,
  number,
  planDrain,
  TAIL_SECONDS,
  text,
} from "@holdfast/kube";
import type { ClusterSnapshot } from "./cluster-snapshot.ts";
import { type GatewayFacts, gatewayOf } from "./gateway.ts";
import { type OwnOptions, ownOptions } from "./own-options.ts";
import type { Container, Workload } from "./workload.ts";

/** On the pod template: connections that a pod is planned for. */
export const CONNECTIONS_ANNOTATION = "holdfast.dev/connections-per-pod";

const PING_SECONDS = 25;
const CONNECTIONS = 10_000;
const GRACE_SECONDS = 30;

/** `configured` in the manifests, `told` by the user of the doctor, or `assumed`. */
export type Basis = "configured" | "told" | "assumed";

export interface Load {
  readonly pingSeconds: number;
  readonly pingBasis: Basis;
  readonly connections: number;
  readonly connectionsBasis: Basis;
  /**
   * The drain's time (M), with its parts. For workloads that are not ours, the time that their
   * grace period leaves, unless it was told.
   */
  readonly drain: DrainInput;
  readonly drainBasis: Basis;
  readonly plan: DrainPlan;
  /** G: terminationGracePeriodSeconds, 30 if the manifest does not say. */
  readonly graceSeconds: number;
  /** S: the longest preStop of the pod's containers; undefined if a hook's time cannot be read. */
  readonly preStopSeconds: number | undefined;
  readonly own: OwnOptions | undefined;
  /** If it is a gateway of ours. */
  readonly gateway: GatewayFacts | undefined;
}

export function loadOf(workload: Workload, snapshot: ClusterSnapshot): Load {
  const own = workload.own ? ownOptions(workload, snapshot) : undefined;
  const gateway = gatewayOf(workload, snapshot);
  const isKnown = own !== undefined || gateway !== undefined;
  const { options } = snapshot;
  const graceSeconds = number(workload.podSpec.terminationGracePeriodSeconds) ?? GRACE_SECONDS;
  const preStopSeconds = longestPreStop(workload);
  const annotated = number(workload.podAnnotations[CONNECTIONS_ANNOTATION]);
  const planned = annotated ?? plannedBySet(workload);
  const connections =
    options.connections ??
    planned ??
    own?.config.limits.connectionsMax ??
    gateway?.clientsMax ??
    CONNECTIONS;
  const told = options.drainSeconds;
  const preDelaySeconds =
    (own?.config.drain.preDelayMs ?? 0) / 1000 || (gateway?.preDelaySeconds ?? 0);
  const windowSeconds =
    own === undefined ? gateway?.windowSeconds : own.config.drain.windowMs / 1000;
  const left = Math.max(0, graceSeconds - (preStopSeconds ?? 0) - GRACE_MARGIN_SECONDS);
  const drain: DrainInput = {
    maxSeconds:
      windowSeconds === undefined ? (told ?? left) : preDelaySeconds + windowSeconds + TAIL_SECONDS,
    preDelaySeconds,
    preStopSeconds: preStopSeconds ?? 0,
    connections,
    handshakesPerSecond:
      options.handshakesPerSecond ??
      own?.config.admission.handshakesPerSecond ??
      gateway?.handshakesPerSecond ??
      DRAIN_DEFAULTS.handshakesPerSecond,
  };
  return {
    pingSeconds:
      options.pingSeconds ??
      gateway?.pingSeconds ??
      (own === undefined ? PING_SECONDS : own.config.timeouts.pingMs / 1000),
    pingBasis: options.pingSeconds !== undefined ? "told" : isKnown ? "configured" : "assumed",
    connections,
    connectionsBasis:
      options.connections !== undefined ? "told" : planned !== undefined ? "configured" : "assumed",
    drain,
    drainBasis: isKnown ? "configured" : told !== undefined ? "told" : "assumed",
    plan: planDrain(drain),
    graceSeconds,
    preStopSeconds,
    own,
    gateway,
  };
}

/** What the operator puts on a pod: the rest of its places stays free. */
function plannedBySet({ set }: Workload): number | undefined {
  if (set === undefined) return undefined;
  const { perPod, headroomPercent } = set.connections;
  return Math.max(1, Math.round(perPod * (1 - headroomPercent / 100)));
}

function longestPreStop(workload: Workload): number | undefined {
  const each = [...workload.containers, ...workload.initContainers].map(preStopOf);
  return each.some((value) => value === undefined)
    ? undefined
    : Math.max(0, ...each.map((value) => value ?? 0));
}

/**
 * Seconds that a container's preStop takes: 0 without one, undefined if the manifest does not show
 * it.
 */
function preStopOf({ body }: Container): number | undefined {
  const hook = at(body, "lifecycle", "preStop");
  if (hook === undefined || hook === null) return 0;
  const sleep = number(at(hook, "sleep", "seconds"));
  if (sleep !== undefined) return sleep;
  const command = list(at(hook, "exec", "command"))
    .map((word) => text(word) ?? "")
    .join(" ");
  const naps = [...command.matchAll(/\bsleep\s+(\d+(?:\.\d+)?)/g)].map(([, seconds]) =>
    Number(seconds),
  );
  return naps.length > 0 ? naps.reduce((sum, nap) => sum + nap, 0) : undefined;
}
