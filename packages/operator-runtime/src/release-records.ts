// Owns: RealtimeReleases: one object for each release, from its start to its end. They are the
// audit trail: nothing decides by them.
import { at, type Json, number, text } from "@holdfast/kube";
import {
  type Desired,
  type Observed,
  rfc3339,
  type Status,
  stepsOf,
  verdictOf,
} from "@holdfast/operator";
import { type Owner, ownerReference } from "./manifests.ts";
import { GROUP_VERSION, SET_LABEL } from "./names.ts";
import { nameOf, timeMs } from "./objects.ts";

/** One write. */
export type RecordWrite =
  | { readonly kind: "create"; readonly manifest: Json; readonly status: Json }
  | { readonly kind: "status"; readonly name: string; readonly status: Json }
  | { readonly kind: "remove"; readonly name: string };

interface Step {
  readonly step: number;
  readonly sharePercent: number;
  readonly reachedAt?: string;
  readonly endedAt?: string;
  readonly connectionMinutes?: number;
  readonly verdict?: string;
}

export interface RecordsNeeds {
  readonly owner: Owner;
  /** That the set owns. */
  readonly records: readonly Json[];
  /** The highest number that any record of this name has. */
  readonly afterSerial: number;
  /** What is stored, not what was just decided: records follow the status. */
  readonly observed: Observed;
  readonly desired: Desired;
  readonly keep: number;
  readonly wallMs: number;
}

/** The next write that makes the records fit the status. None: they fit. */
export function recordWrite(needs: RecordsNeeds): RecordWrite | undefined {
  const { records, observed } = needs;
  const status = observed.status;
  if (status === undefined) return undefined;
  const open = records.find((record) => text(at(record, "status", "endedAt")) === undefined);
  const { release } = status;
  if (open !== undefined && text(at(open, "spec", "to")) !== release?.to)
    return { kind: "status", name: nameOf(open), status: ended(open, status, needs.wallMs) };
  if (release !== undefined) return open === undefined ? begun(needs) : changed(open, needs);
  return tooMany(records, needs.keep);
}

function begun({ owner, afterSerial, observed, desired, wallMs }: RecordsNeeds): RecordWrite {
  const release = observed.status?.release;
  const serial = afterSerial + 1;
  return {
    kind: "create",
    manifest: {
      apiVersion: GROUP_VERSION,
      kind: "RealtimeRelease",
      metadata: {
        name: `${owner.name}-${serial}`,
        namespace: owner.namespace,
        labels: { [SET_LABEL]: owner.name },
        ownerReferences: [ownerReference(owner)],
      },
      spec: {
        set: owner.name,
        from: release?.from,
        to: release?.to,
        strategy: desired.release.strategy.kind,
      },
    },
    status: { phase: "Advancing", step: 1, startedAt: rfc3339(wallMs), steps: [] },
  };
}

/** The number at the end of its name, by which people call it. */
export function serialOf(record: Json): number {
  return number(/-(\d{1,9})$/.exec(nameOf(record))?.[1]) ?? 0;
}

function changed(record: Json, needs: RecordsNeeds): RecordWrite | undefined {
  const release = needs.observed.status?.release;
  if (release === undefined) return undefined;
  const before = record.status;
  const phase = release.phase === "rolling-back" ? "RollingBack" : "Advancing";
  const steps = stepsAfter(record, needs);
  const status = {
    startedAt: text(at(before, "startedAt")) ?? rfc3339(needs.wallMs),
    phase,
    step: release.step + 1,
    ...(release.because === undefined ? {} : { because: release.because }),
    steps,
  };
  const isSame =
    at(before, "phase") === phase &&
    at(before, "step") === release.step + 1 &&
    (at(before, "because") ?? "") === (release.because ?? "") &&
    JSON.stringify(marks(at(before, "steps"))) === JSON.stringify(marks(steps));
  return isSame ? undefined : { kind: "status", name: nameOf(record), status };
}

/** What a step's change is known by. Its figures change all the time. */
function marks(steps: unknown): unknown {
  return (Array.isArray(steps) ? steps : []).map((step: unknown) => [
    at(step, "step"),
    at(step, "reachedAt") !== undefined,
    at(step, "endedAt") !== undefined,
  ]);
}

function stepsAfter(record: Json, { observed, desired, wallMs }: RecordsNeeds): readonly Step[] {
  const release = observed.status?.release;
  const known = at(record, "status", "steps");
  const steps: Step[] = Array.isArray(known) ? known.map((step) => step as Step) : [];
  if (release === undefined) return steps;
  const { strategy } = desired.release;
  const share = stepsOf(strategy)[release.step]?.share ?? 1;
  const verdict = verdictOf(strategy, observed);
  const figures = {
    ...(observed.tallies === undefined
      ? {}
      : { connectionMinutes: Math.floor(observed.tallies.canary.connectionMinutes) }),
    ...(verdict === undefined ? {} : { verdict: verdict.text }),
  };
  const others = steps
    .filter(({ step }) => step !== release.step + 1)
    .map((step) => (step.endedAt === undefined ? { ...step, endedAt: rfc3339(wallMs) } : step));
  const mine = steps.find(({ step }) => step === release.step + 1);
  const now: Step = {
    step: release.step + 1,
    sharePercent: Math.round(share * 100),
    ...(release.reachedAtMs === undefined
      ? mine?.reachedAt === undefined
        ? {}
        : { reachedAt: mine.reachedAt }
      : { reachedAt: rfc3339(release.reachedAtMs) }),
    ...figures,
  };
  return [...others, now].sort((a, b) => a.step - b.step);
}

function ended(record: Json, status: Status, wallMs: number): Json {
  const to = text(at(record, "spec", "to")) ?? "";
  const known = at(record, "status", "steps");
  const steps = (Array.isArray(known) ? known : []).map((step) => step as Step);
  const because =
    text(at(record, "status", "because")) ??
    (status.release === undefined
      ? undefined
      : `Revision ${status.release.to} was wished instead.`);
  const phase =
    status.stable === to ? "Done" : status.release === undefined ? "RolledBack" : "Superseded";
  return {
    startedAt: text(at(record, "status", "startedAt")) ?? rfc3339(wallMs),
    step: number(at(record, "status", "step")) ?? 1,
    phase,
    endedAt: rfc3339(wallMs),
    ...(because === undefined || phase === "Done" ? {} : { because }),
    steps: steps.map((step) =>
      step.endedAt === undefined ? { ...step, endedAt: rfc3339(wallMs) } : step,
    ),
  };
}

/** The oldest that ended goes first. */
function tooMany(records: readonly Json[], keep: number): RecordWrite | undefined {
  const over = records
    .filter((record) => timeMs(at(record, "status", "endedAt")) !== undefined)
    .sort((a, b) => serialOf(a) - serialOf(b));
  const oldest = over[0];
  return records.length > keep && oldest !== undefined
    ? { kind: "remove", name: nameOf(oldest) }
    : undefined;
}
