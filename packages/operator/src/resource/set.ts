// Owns: the reading of a RealtimeSet: from the JSON that the API server stores to the model's wish,
// and to what the runtime needs beside it.
import type { Desired, ReleaseWish, Strategy } from "../model/desired.ts";
import type { Status } from "../model/observed.ts";
import type { Revision } from "../model/pod.ts";
import type { Stored } from "./fields.ts";
import { isMap, type Read, readField } from "./read-fields.ts";
import { SET_SPEC } from "./set-fields.ts";
import type { RELEASE_SPEC, RELEASE_STATUS, SET_STATUS } from "./status-fields.ts";

export const GROUP = "holdfast.dev";
export const VERSION = "v1alpha1";
export const API_VERSION = `${GROUP}/${VERSION}`;

export type RealtimeSetSpec = Stored<typeof SET_SPEC>;
export type RealtimeSetStatus = Stored<typeof SET_STATUS>;
export type RealtimeReleaseSpec = Stored<typeof RELEASE_SPEC>;
export type RealtimeReleaseStatus = Stored<typeof RELEASE_STATUS>;

/** Annotations of a RealtimeSet by which people give commands. */
export const COMMANDS = {
  promote: "holdfast.dev/promote",
  abort: "holdfast.dev/abort",
  retry: "holdfast.dev/retry",
  pause: "holdfast.dev/pause",
} as const;

/** What people ordered by annotations. */
export interface Commands {
  /** `REVISION/STEP` or `REVISION/all`. Steps count from 1, as `status.release.step` does. */
  readonly promote?: { readonly revision: Revision; readonly step: number | "all" };
  readonly abort?: Revision;
  readonly retry?: Revision;
  readonly isPaused: boolean;
}

/** A RealtimeSet as it was read. */
export interface SetAsRead {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation: number;
  /** It is being deleted. */
  readonly isTerminating: boolean;
  readonly finalizers: readonly string[];
  readonly spec: RealtimeSetSpec;
  readonly commands: Commands;
  /** Annotations that no command can be read from. They are told, and nothing follows them. */
  readonly commandProblems: readonly string[];
}

/**
 * Reads a RealtimeSet as the API server stores it. What its rules refuse is refused here as well:
 * an object may be older than a rule.
 */
export function readSet(json: unknown): Read<SetAsRead> {
  const object = isMap(json) ? json : {};
  const metadata = isMap(object.metadata) ? object.metadata : {};
  const spec = readField(SET_SPEC, object.spec, "spec");
  const { name, namespace, uid, resourceVersion } = metadata;
  const problems = spec.ok ? [] : [...spec.problems];
  for (const [field, found] of Object.entries({ name, namespace, uid, resourceVersion }))
    if (typeof found !== "string" || found === "") problems.push(`metadata.${field} is missing`);
  if (!spec.ok || problems.length > 0) return { ok: false, problems };
  const annotations = isMap(metadata.annotations) ? metadata.annotations : {};
  const { commands, problems: commandProblems } = commandsOf(annotations);
  const { generation, finalizers } = metadata;
  return {
    ok: true,
    value: {
      name: String(name),
      namespace: String(namespace),
      uid: String(uid),
      resourceVersion: String(resourceVersion),
      generation: typeof generation === "number" ? generation : 0,
      isTerminating: typeof metadata.deletionTimestamp === "string",
      finalizers: Array.isArray(finalizers) ? finalizers.filter(isText) : [],
      spec: spec.value,
      commands,
      commandProblems,
    },
  };
}

const isText = (found: unknown): found is string => typeof found === "string";

function commandsOf(annotations: Readonly<Record<string, unknown>>): {
  readonly commands: Commands;
  readonly problems: readonly string[];
} {
  const given = (name: string): string | undefined => {
    const found = annotations[name];
    return typeof found === "string" && found !== "" ? found : undefined;
  };
  const problems: string[] = [];
  const refuse = (name: string, found: string, expected: string): undefined => {
    problems.push(`annotation ${name} is ${JSON.stringify(found)}, expected ${expected}`);
    return undefined;
  };
  const promoteText = given(COMMANDS.promote);
  const promote = promoteText === undefined ? undefined : promoteOf(promoteText);
  if (promoteText !== undefined && promote === undefined)
    refuse(COMMANDS.promote, promoteText, "REVISION/STEP with steps from 1, or REVISION/all");
  const revision = (name: string): Revision | undefined => {
    const found = given(name);
    if (found === undefined || REVISION.test(found)) return found;
    return refuse(name, found, "a revision");
  };
  const [abort, retry] = [revision(COMMANDS.abort), revision(COMMANDS.retry)];
  const pause = given(COMMANDS.pause);
  // A person who writes anything else meant to pause more likely than not to.
  if (pause !== undefined && pause !== "true" && pause !== "false")
    refuse(COMMANDS.pause, pause, '"true" or "false"; it counts as "true"');
  return {
    commands: {
      ...(promote === undefined ? {} : { promote }),
      ...(abort === undefined ? {} : { abort }),
      ...(retry === undefined ? {} : { retry }),
      isPaused: pause !== undefined && pause !== "false",
    },
    problems,
  };
}

const REVISION = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

function promoteOf(found: string): Commands["promote"] {
  const [, revision, step] = /^(.+)\/([1-9]\d{0,3}|all)$/.exec(found) ?? [];
  if (revision === undefined || step === undefined || !REVISION.test(revision)) return undefined;
  return { revision, step: step === "all" ? "all" : Number(step) };
}

/** What a wish needs that the RealtimeSet does not say. */
export interface WishContext {
  /** The revision of the template as it is now. */
  readonly revision: Revision;
  /** Pods that run now. They are kept if the spec states no number. A new set: 0. */
  readonly replicasNow: number;
  /** The memory, so that `REVISION/all` promotes the step that is there. */
  readonly status?: Status | undefined;
}

/** As `fleet.rebalanceSessionsMin` of a node: fewer are no difference. */
const REBALANCE_SESSIONS_MIN = 20;

/** The model's wish. */
export function desiredOf({ spec, commands }: SetAsRead, context: WishContext): Desired {
  const { autoscaling, connections, dataPlane, drain, disruption, rebalance, release } = spec;
  return {
    revision: context.revision,
    replicas: spec.replicas ?? Math.max(1, context.replicasNow),
    ...(autoscaling === undefined
      ? {}
      : {
          autoscaling: {
            replicasMin: autoscaling.minReplicas,
            replicasMax: autoscaling.maxReplicas,
            downAfterMs: autoscaling.downAfterSeconds * 1000,
          },
        }),
    release: {
      strategy: strategyOf(release),
      isPaused: release.paused || commands.isPaused,
      ...promotedOf(commands, context.status),
      ...(commands.abort === undefined ? {} : { aborted: commands.abort }),
      ...(commands.retry === undefined ? {} : { retried: commands.retry }),
      progressMsMax: release.progressDeadlineSeconds * 1000,
    },
    drain: {
      // One number for the whole drain: what balancers get is no time for moves.
      windowMs: (drain.maxSeconds - drain.preDelaySeconds) * 1000,
      preDelayMs: drain.preDelaySeconds * 1000,
      ...(dataPlane.kind === "gateway" ? { staysReady: true as const } : {}),
    },
    connections: {
      perPod: connections.perPod,
      headroom: connections.headroomPercent / 100,
    },
    rebalance: {
      isEnabled: rebalance.enabled,
      tolerance: rebalance.tolerancePercent / 100,
      sessionsMin: REBALANCE_SESSIONS_MIN,
    },
    warmMs: release.warmSeconds * 1000,
    disruption: { replacementMsMax: disruption.replacementSecondsMax * 1000 },
  };
}

function promotedOf(
  { promote }: Commands,
  status: Status | undefined,
): Pick<ReleaseWish, "promoted"> {
  if (promote === undefined) return {};
  const { revision, step } = promote;
  if (step !== "all") return { promoted: { revision, step: step - 1 } };
  return { promoted: { revision, step: status?.release?.step ?? 0 } };
}

function strategyOf({ strategy, canary, blueGreen, analysis: given }: RealtimeSetSpec["release"]) {
  const analysis = {
    connectionMinutesMin: given.connectionMinutesMin,
    connectionMinutesMax: given.connectionMinutesMax,
    waitMsMax: given.waitSecondsMax * 1000,
  };
  switch (strategy) {
    case "Rolling":
      return { kind: "Rolling" } satisfies Strategy;
    case "Canary":
      return {
        kind: "Canary",
        steps: (canary?.steps ?? []).map(stepOf),
        analysis,
      } satisfies Strategy;
    case "BlueGreen": {
      const keepOldMs = (blueGreen?.keepOldSeconds ?? KEEP_OLD_SECONDS) * 1000;
      return { kind: "BlueGreen", keepOldMs, analysis } satisfies Strategy;
    }
  }
}

const KEEP_OLD_SECONDS = SET_SPEC.fields.release.fields.blueGreen.fields.keepOldSeconds.default;

type StoredStep = NonNullable<RealtimeSetSpec["release"]["canary"]>["steps"][number];

const stepOf = (step: StoredStep) => ({
  sharePercent: step.sharePercent,
  connectionMinutesMin: step.connectionMinutes,
  pause: step.untilPromoted ? ("until-promoted" as const) : step.pauseSeconds * 1000,
});
