// Owns: scenario files: YAML with groups, phases and objectives. Each member is checked, and the
// file becomes a plan. Pure.
import { parse, YAMLParseError } from "yaml";
import { z } from "zod";
import { DRIVER_NAMES } from "./drivers/driver.ts";
import { LoadError } from "./load-error.ts";
import { type Group, LIMITS, type LoadPlan, type Phase, type Target } from "./plan.ts";
import { DEFAULT_TARGET } from "./scenarios.ts";
import { readSlos, type Slo } from "./slo.ts";

const TEXT_CHARS_MAX = 1_000_000;
const PROBLEMS_SHOWN = 10;
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A time such as 500ms, 10s, 5m, 1h, as ms. */
const time = z
  .string("expected a time like 500ms, 10s or 5m")
  .regex(/^\d{1,9}(\.\d{1,3})?(ms|s|m|h)$/, "expected a time like 500ms, 10s or 5m")
  .transform((text) => Number.parseFloat(text) * (UNIT_MS[text.replace(/^[\d.]+/, "")] ?? 1));
const count = (most: number) => z.int().min(1).max(most);
const share = z.number().min(0).max(1);
const name = z
  .string()
  .regex(/^[\w.-]{1,64}$/, "expected 1 to 64 letters, digits, dots, dashes, underscores");
const think = z.enum(["steady", "random"]).default("random");
const load = z
  .union(
    [z.number().min(0).max(1_000), z.record(z.string(), z.number().min(0).max(1_000))],
    "expected a factor, or a factor for each group",
  )
  .default(1);

const group = z.strictObject({
  name,
  connections: count(LIMITS.connectionsMax),
  rooms: z
    .strictObject({
      name: z.string().min(1).max(255),
      size: count(LIMITS.connectionsMax),
      each: count(LIMITS.roomsEachMax).default(1),
    })
    .optional(),
  writes: z.strictObject({ every: time, think, to: name.optional() }).optional(),
  pings: z.strictObject({ every: time, think }).optional(),
});

const phase = z.discriminatedUnion("do", [
  z.strictObject({
    do: z.literal("connect"),
    name: name.default("connect"),
    rate: z.number().min(0.01).max(LIMITS.perSecondMax),
    share: share.default(1),
    within: time.optional(),
  }),
  z.strictObject({
    do: z.literal("hold"),
    name: name.default("hold"),
    for: time,
    load,
    churn: z.number().min(0).max(LIMITS.perSecondMax).default(0),
    measured: z.boolean().default(true),
  }),
  z.strictObject({
    do: z.literal("drop"),
    name: name.default("drop"),
    share: share.default(1),
    of: z.array(name).min(1).optional(),
    away: time.default(0),
    for: time.default(0),
    within: time.default(60_000),
    load,
  }),
]);

const file = z.strictObject({
  name: name.default("scenario"),
  target: z
    .strictObject({
      urls: z
        .array(z.string().regex(/^wss?:\/\/[^@]+$/, "expected a ws: or wss: URL without a user"))
        .min(1),
      driver: z.enum(DRIVER_NAMES).default("holdfast"),
      codec: z.enum(["json", "msgpack"]).default("json"),
      sources: z.array(z.string()).max(1_000).default([]),
    })
    .optional(),
  workers: count(LIMITS.workersMax).default(1),
  seed: z.int().min(0).max(1e9).default(1),
  payload: z
    .strictObject({
      bytes: count(LIMITS.payloadBytesMax).default(100),
      template: z.string().optional(),
    })
    .default({ bytes: 100 }),
  settle: time.default(10_000),
  groups: z.array(group).min(1).max(LIMITS.groupsMax),
  phases: z.array(phase).min(1).max(LIMITS.phasesMax),
  observe: z
    .strictObject({
      metrics: z.array(z.url({ protocol: /^https?$/ })).default([]),
      pids: z.array(z.int().min(1)).default([]),
    })
    .default({ metrics: [], pids: [] }),
  slo: z.array(z.string()).default([]),
});

export interface Scenario {
  readonly plan: LoadPlan;
  readonly slos: readonly Slo[];
}

const RAMP_MS_MAX = 60_000;

/**
 * Reads a scenario. `target` is used if the file names none. Throws a LoadError `scenario_invalid`
 * that names every wrong member by its path.
 */
export function readScenario(text: string, target: Target): Scenario {
  const read = file.safeParse(parsed(text));
  if (!read.success) {
    const lines = read.error.issues.map((issue) => `${pathText(issue.path)}: ${issue.message}`);
    const more =
      lines.length > PROBLEMS_SHOWN ? `\n  and ${lines.length - PROBLEMS_SHOWN} more` : "";
    throw new LoadError(
      "scenario_invalid",
      `Cannot read the scenario:\n  ${lines.slice(0, PROBLEMS_SHOWN).join("\n  ")}${more}`,
    );
  }
  const { data } = read;
  const { payload } = data;
  return {
    plan: {
      scenario: data.name,
      target: data.target === undefined ? target : { ...DEFAULT_TARGET, ...data.target },
      workers: data.workers,
      seed: data.seed,
      payload: {
        bytes: payload.bytes,
        ...(payload.template === undefined ? {} : { template: payload.template }),
      },
      settleMsMax: data.settle,
      groups: data.groups.map(groupOf),
      phases: data.phases.map((given) => phaseOf(given, data.groups)),
      observe: { metricsUrls: data.observe.metrics, pids: data.observe.pids },
    },
    slos: data.slo.flatMap(readSlos),
  };
}

function parsed(text: string): unknown {
  if (text.length > TEXT_CHARS_MAX)
    throw new LoadError(
      "scenario_invalid",
      `Cannot read the scenario: found ${text.length} characters, expected at most ${TEXT_CHARS_MAX}`,
    );
  try {
    return parse(text, { maxAliasCount: 100 });
  } catch (error) {
    if (!(error instanceof YAMLParseError) && !(error instanceof ReferenceError)) throw error;
    throw new LoadError(
      "scenario_invalid",
      `Cannot read the scenario: ${error.message.split("\n")[0]}`,
      { cause: error },
    );
  }
}

function groupOf({ name, connections, rooms, writes, pings }: z.infer<typeof group>): Group {
  return {
    name,
    connections,
    ...(rooms === undefined ? {} : { rooms }),
    ...(writes === undefined
      ? {}
      : {
          writes: {
            everyMs: writes.every,
            think: writes.think,
            ...(writes.to === undefined ? {} : { to: writes.to }),
          },
        }),
    ...(pings === undefined ? {} : { pings: { everyMs: pings.every, think: pings.think } }),
  };
}

function phaseOf(given: z.infer<typeof phase>, groups: readonly z.infer<typeof group>[]): Phase {
  switch (given.do) {
    case "connect": {
      const all = groups.reduce((sum, { connections }) => sum + connections, 0);
      const msMax =
        given.within ?? Math.round((all * given.share * 1000) / given.rate) + RAMP_MS_MAX;
      return { do: "connect", name: given.name, perSecond: given.rate, share: given.share, msMax };
    }
    case "hold":
      return {
        do: "hold",
        name: given.name,
        ms: given.for,
        load: given.load,
        churnPerSecond: given.churn,
        isMeasured: given.measured,
      };
    case "drop":
      return {
        do: "drop",
        name: given.name,
        share: given.share,
        ...(given.of === undefined ? {} : { of: given.of }),
        awayMs: given.away,
        ms: Math.max(given.for, given.away),
        msMax: given.within,
        load: given.load,
      };
  }
}

/** `phases[1].for` */
const pathText = (path: readonly PropertyKey[]): string =>
  path.length === 0
    ? "(file)"
    : path
        .map((part, place) =>
          typeof part === "number" ? `[${part}]` : `${place === 0 ? "" : "."}${String(part)}`,
        )
        .join("");
