// Owns: the way between the model's status and the stored one: the operator's memory comes back as
// it was written, and people read the rest.
import type { Status } from "../model/observed.ts";
import type { Revision } from "../model/pod.ts";
import { type Read, readField } from "./read-fields.ts";
import { rfc3339 } from "./rfc3339.ts";
import type { RealtimeSetStatus } from "./set.ts";
import { DECISION } from "./status-fields.ts";

/** What the stored status says beside the decision. */
export interface StatusFacts {
  readonly generation: number;
  readonly replicas: number;
  readonly readyReplicas: number;
  readonly desiredReplicas: number;
  readonly connections: number;
  readonly matchLabels: Readonly<Record<string, string>>;
  readonly updatedRevision: Revision;
  /** Figures of the release, if one is under way. */
  readonly release?: {
    readonly steps: number;
    readonly sharePercentWanted: number;
    readonly sharePercent: number;
    readonly connectionMinutes: number;
    readonly verdict?: string;
  };
  /** Why the API server makes no pod of the template, if it said so. */
  readonly templateProblem?: string;
  /** The status that is stored now: conditions that stay keep their time. */
  readonly before?: unknown;
  readonly nowMs: number;
}

/**
 * The operator's memory in a RealtimeSet, absent in a new one. If it cannot be read, the problems
 * say why. Deciding without it would forget a release, so the runtime must stop at them.
 */
export function memoryOf(json: unknown): Read<Status | undefined> {
  const decision = at(at(json, "status"), "decision");
  if (decision === undefined || decision === null) return { ok: true, value: undefined };
  return readField(DECISION, decision, "status.decision");
}

/** The status to store. */
export function statusOf(status: Status, facts: StatusFacts): RealtimeSetStatus {
  const { release } = status;
  const { nowMs, matchLabels } = facts;
  return {
    observedGeneration: facts.generation,
    replicas: facts.replicas,
    readyReplicas: facts.readyReplicas,
    desiredReplicas: facts.desiredReplicas,
    connections: facts.connections,
    selector: Object.entries(matchLabels)
      .map(([name, value]) => `${name}=${value}`)
      .sort()
      .join(","),
    stableRevision: status.stable,
    updatedRevision: facts.updatedRevision,
    message: facts.templateProblem ?? status.message,
    ...(status.endsAtMs === undefined ? {} : { endsAt: rfc3339(status.endsAtMs) }),
    conditions: conditionsOf(status, facts, rfc3339(nowMs)),
    decision: status,
    ...(release === undefined
      ? {}
      : {
          release: {
            from: release.from,
            to: release.to,
            phase: release.phase === "advancing" ? "Advancing" : "RollingBack",
            step: release.step + 1,
            ...(facts.release ?? { steps: release.step + 1 }),
          },
        }),
  };
}

/** Of a new set of which no pod can be made: nothing was decided, and there is no memory. */
export function refusalOf(
  templateProblem: string,
  facts: Omit<StatusFacts, "templateProblem" | "release">,
): RealtimeSetStatus {
  const none = {
    stable: "",
    rejected: [],
    condition: "Waiting",
    message: templateProblem,
  } as const;
  const {
    decision: _,
    stableRevision: __,
    ...status
  } = statusOf(none, {
    ...facts,
    templateProblem,
  });
  return status;
}

type Conditions = NonNullable<RealtimeSetStatus["conditions"]>;
type StoredCondition = Conditions[number];

const NAMES = ["Settled", "Progressing", "Waiting"] as const;

/**
 * Conditions by which tools that know no RealtimeSet wait for one (kstatus: Helm 4 `--wait`, Flux,
 * `kubectl wait`). `Reconciling` and `Stalled` are there only while they hold.
 */
function forWaiters(status: Status, facts: StatusFacts): readonly Wanted[] {
  const { updatedRevision, templateProblem } = facts;
  const { message, condition: reason } = status;
  const isRejected = status.release === undefined && status.rejected.includes(updatedRevision);
  const isReady = status.condition === "Settled" && status.stable === updatedRevision;
  const stalled = { type: "Stalled", holds: true };
  return [
    { type: "Ready", holds: isReady, reason, message },
    ...(templateProblem !== undefined
      ? [{ ...stalled, reason: INVALID_TEMPLATE, message: templateProblem }]
      : isRejected
        ? [{ ...stalled, reason: "RolledBack", message }]
        : isReady
          ? []
          : [{ type: "Reconciling", holds: true, reason, message }]),
  ];
}

/** Reason of `Stalled`: the API server makes no pod of the template. */
export const INVALID_TEMPLATE = "InvalidTemplate";

interface Wanted {
  readonly type: string;
  readonly holds: boolean;
  readonly reason: string;
  readonly message: string;
}
/** What Kubernetes allows in a condition. */
const MESSAGE_MAX = 32_768;

function conditionsOf(status: Status, facts: StatusFacts, now: string): Conditions {
  const isAvailable = facts.readyReplicas > 0;
  const wanted: readonly Wanted[] = [
    ...NAMES.map((type) => ({
      type,
      holds: status.condition === type,
      reason: status.condition,
      message: status.message,
    })),
    {
      type: "Available",
      holds: isAvailable,
      reason: isAvailable ? "PodsAreReady" : "NoPodIsReady",
      message: isAvailable ? "At least one pod is ready." : "No pod is ready: nobody can connect.",
    },
    ...forWaiters(status, facts),
  ];
  const before = at(facts.before, "conditions");
  return wanted.map(({ type, holds, reason, message }): StoredCondition => {
    const value = holds ? "True" : "False";
    const old = Array.isArray(before) ? before.find((one) => at(one, "type") === type) : undefined;
    const since = at(old, "lastTransitionTime");
    const isSame = at(old, "status") === value && typeof since === "string";
    return {
      type,
      status: value,
      reason,
      message: message.slice(0, MESSAGE_MAX),
      lastTransitionTime: isSame ? since : now,
      observedGeneration: facts.generation,
    };
  });
}

function at(json: unknown, name: string): unknown {
  return typeof json === "object" && json !== null
    ? (json as Readonly<Record<string, unknown>>)[name]
    : undefined;
}
