// Owns: the fields of a RealtimeSet's status, and of a RealtimeRelease: what people read, and the
// operator's memory.
import { boolean, choice, decimal, filled, integer, list, section, text } from "./fields.ts";

/** Texts that the operator writes: nothing but the store's own limit cuts them. */
const ANY_LENGTH = { lengthMax: Number.POSITIVE_INFINITY };
const WORDS_MAX = 32_768;
const COUNT_MAX = Number.MAX_SAFE_INTEGER;
const COUNT = { min: 0, max: COUNT_MAX };
const REVISIONS_MAX = 10;
const GIVERS_MAX = 16;
const words = (description: string) => text(description, ANY_LENGTH);
const time = (description: string) => text(description, { format: "date-time" });

/** The model's `Status`, field by field: the operator's whole memory. */
export const DECISION = section("The operator's memory. Only the operator reads and writes it.", {
  required: ["stable", "rejected", "condition", "message"],
  fields: {
    stable: words("The revision that all pods have when no release is under way."),
    release: section("The release that is under way.", {
      required: ["to", "from", "phase", "step", "progress"],
      fields: {
        to: words("The new revision."),
        from: words("The revision before."),
        phase: choice("Where it goes.", ["advancing", "rolling-back"]),
        step: integer("Index of the step, from 0.", COUNT),
        reachedAtMs: integer("Since when the step's share is reached.", COUNT),
        progress: words("It changes whenever the release comes further."),
        because: words("Why it is rolled back."),
        isRejected: boolean("The revision is not tried again by itself."),
      },
    }),
    autoscaling: section("What the autoscaling remembers.", {
      required: ["replicas"],
      fields: {
        replicas: integer("Pods that it wants.", COUNT),
        lowSinceMs: integer("Since when fewer pods would do.", COUNT),
      },
    }),
    rebalancing: section("What the evening-out of pods remembers.", {
      required: ["givers", "sinceMs"],
      fields: {
        givers: list("Pods that give sessions away. None: it rests.", words("A pod."), {
          countMax: GIVERS_MAX,
        }),
        sinceMs: integer("Since when.", COUNT),
      },
    }),
    rejected: list("Revisions that are not tried again.", words("A revision."), {
      countMax: REVISIONS_MAX,
    }),
    condition: choice("The condition.", ["Settled", "Progressing", "Waiting"]),
    message: words("What is waited for."),
    endsAtMs: integer("When what is under way ends at the latest.", COUNT),
  },
});

const CONDITION = section("One condition.", {
  required: ["type", "status", "reason", "message", "lastTransitionTime"],
  fields: {
    type: text("Its name."),
    status: choice("Whether it holds.", ["True", "False", "Unknown"]),
    reason: text("Why, in one word.", { lengthMin: 1, lengthMax: 1024 }),
    message: text("Why, in words.", { lengthMax: WORDS_MAX }),
    lastTransitionTime: time("Since when `status` is what it is."),
    observedGeneration: integer("The generation of the spec that it is about.", COUNT),
  },
});

/**
 * The status of a RealtimeSet. It is there from the start: who waits by the conventions of kstatus
 * (Helm 4, Flux) takes an object without a status for one that is ready.
 */
export const SET_STATUS = filled("What the set is. The operator writes it.", {
  fields: {
    observedGeneration: integer(
      "The generation of the spec that the operator has seen. 0: it has not seen the set yet.",
      { ...COUNT, default: 0 },
    ),
    replicas: integer("Pods that exist.", COUNT),
    readyReplicas: integer("Pods that are ready.", COUNT),
    desiredReplicas: integer(
      "Pods that are wished now, by `replicas` or by the autoscaling.",
      COUNT,
    ),
    connections: integer("Connections on all pods.", COUNT),
    selector: words("The selector as a text, for the scale subresource."),
    stableRevision: words("The revision that all pods have when no release is under way."),
    updatedRevision: words("The revision of the template as it is now."),
    message: words("What is waited for, in words."),
    endsAt: time("When what is under way ends at the latest."),
    conditions: list(
      "`Settled`, `Progressing`, `Waiting`: one of them is True. `Available`: a pod is ready. `Ready`: everybody is on the template's revision. `Reconciling` and `Stalled` (it was rolled back) are there only while they hold.",
      CONDITION,
      { countMax: 16, key: "type" },
    ),
    decision: DECISION,
    release: section("The release that is under way, for people.", {
      required: ["from", "to", "phase", "step", "steps"],
      fields: {
        from: words("The revision before."),
        to: words("The new revision."),
        phase: choice("Where it goes.", ["Advancing", "RollingBack"]),
        step: integer("The step, counted from 1.", COUNT),
        steps: integer("Number of steps.", COUNT),
        sharePercentWanted: decimal("Share of the connections that the step asks for."),
        sharePercent: decimal("Share of the connections that the new revision has now."),
        connectionMinutes: decimal("Connection-minutes of the new revision in this step."),
        verdict: words("What the analysis says."),
      },
    }),
  },
});

/** What a RealtimeRelease is about. It never changes. */
export const RELEASE_SPEC = section("Which release it is.", {
  required: ["set", "from", "to", "strategy"],
  fields: {
    set: text("Name of the RealtimeSet."),
    from: text("The revision before.", { lengthMax: 63 }),
    to: text("The new revision.", { lengthMax: 63 }),
    strategy: choice("How the new revision takes over.", ["Rolling", "Canary", "BlueGreen"]),
  },
  rules: [
    {
      cel: "self == oldSelf",
      message: "what a release is about never changes",
      isFixed: true,
    },
  ],
});

export const RELEASE_PHASES = [
  "Advancing",
  "RollingBack",
  "Done",
  "RolledBack",
  "Superseded",
] as const;

/** How a release went: the record that is kept. */
export const RELEASE_STATUS = section("How the release went. The operator writes it.", {
  required: ["phase"],
  fields: {
    phase: choice("`Superseded`: a newer revision came before it was done.", RELEASE_PHASES),
    step: integer("The step that it is in, or ended in, counted from 1.", COUNT),
    startedAt: time("When it began."),
    endedAt: time("When it ended."),
    because: words("Why it was rolled back, with the figures."),
    steps: list(
      "Each step that began.",
      section("One step.", {
        required: ["step", "sharePercent"],
        fields: {
          step: integer("The step, counted from 1.", COUNT),
          sharePercent: decimal("Share of the connections that it asks for."),
          reachedAt: time("When its share was reached."),
          endedAt: time("When the next step began, or the release ended."),
          connectionMinutes: decimal("Connection-minutes of the new revision in it."),
          verdict: words("What the analysis said at its end."),
        },
      }),
      { countMax: 32, key: "step" },
    ),
  },
});
