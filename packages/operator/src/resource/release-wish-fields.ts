// Owns: the fields of `release` in a RealtimeSet: how a revision takes over, and how it is judged.
import { boolean, choice, filled, integer, list, section } from "./fields.ts";

const WEEK_SECONDS = 604_800;
const MINUTES_MAX = 1_000_000_000;

export const STRATEGIES = ["Rolling", "Canary", "BlueGreen"] as const;
/** Steps of a canary at most. */
export const STEPS_MAX = 20;

interface Release {
  readonly strategy: (typeof STRATEGIES)[number];
  readonly canary?: unknown;
  readonly blueGreen?: unknown;
  readonly warmSeconds: number;
  readonly progressDeadlineSeconds: number;
}

interface Step {
  readonly sharePercent: number;
  readonly pauseSeconds: number;
  readonly untilPromoted: boolean;
}

const STEP = section("One step.", {
  required: ["sharePercent"],
  fields: {
    sharePercent: integer("Share of the live connections that the new revision carries.", {
      min: 1,
      max: 100,
    }),
    connectionMinutes: integer(
      "Connection-minutes that the new revision must have carried before the next step.",
      { min: 0, max: MINUTES_MAX, default: 0 },
    ),
    pauseSeconds: integer("How long the step lasts at least.", {
      min: 0,
      max: WEEK_SECONDS,
      default: 0,
    }),
    untilPromoted: boolean("The step lasts until a person promotes it.", false),
  },
  rules: [
    {
      cel: "!(self.untilPromoted && self.pauseSeconds > 0)",
      message:
        "'a step lasts pauseSeconds %d or untilPromoted, not both: remove one'.format([self.pauseSeconds])",
      holds: ({ untilPromoted, pauseSeconds }: Step) => !(untilPromoted && pauseSeconds > 0),
    },
  ],
});

const rises = (steps: readonly Step[]): boolean =>
  steps.every((step, at) => at === 0 || step.sharePercent > (steps[at - 1]?.sharePercent ?? 0));

const CANARY = section("Steps of the strategy `Canary`. After the last one, everybody moves.", {
  required: ["steps"],
  fields: {
    steps: list("The steps, with rising shares.", STEP, {
      countMin: 1,
      countMax: STEPS_MAX,
      rules: [
        {
          cel: "self.map(s, s.sharePercent).isSorted() && self.all(a, self.exists_one(b, b.sharePercent == a.sharePercent))",
          message:
            "'the shares must rise from step to step, found %s percent'.format([self.map(s, s.sharePercent)])",
          holds: rises,
        },
      ],
    }),
  },
});

const ANALYSIS = filled("When a verdict may come (strategies `Canary` and `BlueGreen`).", {
  fields: {
    connectionMinutesMin: integer("No good verdict before so many connection-minutes.", {
      min: 0,
      max: MINUTES_MAX,
      default: 100,
    }),
    connectionMinutesMax: integer("What is not proved bad after so many is good.", {
      min: 1,
      max: MINUTES_MAX,
      default: 50_000,
    }),
    waitSecondsMax: integer("So long a step waits for a verdict. Then it goes on without one.", {
      min: 0,
      max: WEEK_SECONDS,
      default: 3600,
    }),
  },
  rules: [
    {
      cel: "self.connectionMinutesMin <= self.connectionMinutesMax",
      message:
        "'connectionMinutesMin %d is above connectionMinutesMax %d'.format([self.connectionMinutesMin, self.connectionMinutesMax])",
      holds: (value: { connectionMinutesMin: number; connectionMinutesMax: number }) =>
        value.connectionMinutesMin <= value.connectionMinutesMax,
    },
  ],
});

export const RELEASE_FIELDS = filled("How a new revision takes over.", {
  fields: {
    strategy: choice(
      "`Rolling`: one new pod, one old pod drained into it, and so on. `Canary`: by shares of the live connections. `BlueGreen`: all new pods first.",
      STRATEGIES,
      "Rolling",
    ),
    warmSeconds: integer("A new pod must be ready for so long before anybody moves to it.", {
      min: 0,
      max: 3600,
      default: 10,
    }),
    progressDeadlineSeconds: integer(
      "A release whose new pods are not ready is rolled back if it comes no further for so long.",
      { min: 60, max: WEEK_SECONDS, default: 600 },
    ),
    paused: boolean("Nothing new of a release begins. Drains that run end.", false),
    canary: CANARY,
    blueGreen: section("The strategy `BlueGreen`.", {
      fields: {
        keepOldSeconds: integer("How long the emptied old pods are kept to go back to.", {
          min: 0,
          max: WEEK_SECONDS,
          default: 600,
        }),
      },
    }),
    analysis: ANALYSIS,
  },
  rules: [
    {
      cel: "self.strategy != 'Canary' || has(self.canary)",
      message: "strategy Canary needs release.canary.steps",
      isFixed: true,
      holds: ({ strategy, canary }: Release) => strategy !== "Canary" || canary !== undefined,
    },
    {
      cel: "self.strategy == 'Canary' || !has(self.canary)",
      message:
        "'release.canary is there, and release.strategy is %s: remove it, or set strategy Canary'.format([self.strategy])",
      holds: ({ strategy, canary }: Release) => strategy === "Canary" || canary === undefined,
    },
    {
      cel: "self.strategy == 'BlueGreen' || !has(self.blueGreen)",
      message:
        "'release.blueGreen is there, and release.strategy is %s: remove it, or set strategy BlueGreen'.format([self.strategy])",
      holds: ({ strategy, blueGreen }: Release) =>
        strategy === "BlueGreen" || blueGreen === undefined,
    },
    {
      cel: "self.warmSeconds < self.progressDeadlineSeconds",
      message:
        "'a new pod warms up for warmSeconds %d, and the release is rolled back after progressDeadlineSeconds %d: it would never get further'.format([self.warmSeconds, self.progressDeadlineSeconds])",
      holds: ({ warmSeconds, progressDeadlineSeconds }: Release) =>
        warmSeconds < progressDeadlineSeconds,
    },
  ],
});
