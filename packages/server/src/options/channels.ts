// Owns: the form of `channels`: rules of channels in a file, for nodes without a contract in
// TypeScript.
import {
  entriesOf,
  parseBoolean,
  parseDurationMs,
  parseJson,
  parseNumber,
  type Reading,
  type Refused,
  unknownKeys,
} from "@holdfast/config";
import { CHANNEL_LENGTH_CEILING, type DeliveryClass } from "@holdfast/protocol";

/** Who has a permission, in the forms that a file can express. */
export const CHANNEL_RULES = ["anyone", "authenticated", "token", "nobody"] as const;
export type ChannelRule = (typeof CHANNEL_RULES)[number];
export const SLOW_CONSUMER_POLICIES = ["disconnect", "drop", "conflate", "catch-up"] as const;
const CLASSES = [
  "volatile",
  "latest",
  "ordered",
  "durable",
] as const satisfies readonly DeliveryClass[];
const ACTIONS = ["subscribe", "publish", "presence", "history"] as const;

/** The serialisable part of a contract's channel definition; assignable to it. */
export interface ChannelSettings {
  readonly class?: DeliveryClass;
  readonly history?: { readonly size?: number; readonly ttlMs?: number };
  readonly presence?: boolean;
  readonly permissions?: { readonly [A in (typeof ACTIONS)[number]]?: ChannelRule };
  readonly slowConsumer?: (typeof SLOW_CONSUMER_POLICIES)[number];
}

/**
 * Patterns such as `chat:{room}` and their rules, in the order of the file: the first that matches
 * wins.
 */
export type ChannelMap = Readonly<Record<string, ChannelSettings>>;

export const CHANNELS_ALLOWED =
  "a map of patterns like chat:{room} to {class, history: {size, ttlMs}, presence, permissions, slowConsumer}";
const CHANNELS_MAX = 1000;
const HISTORY_SIZE_MAX = 1_000_000;
const HISTORY_TTL_MS_MAX = 365 * 86_400_000;
const FIELDS = ["class", "history", "presence", "permissions", "slowConsumer"];

/** Reads a map of channels, or JSON text of one. */
export function readChannels(found: unknown): Reading<ChannelMap> {
  const patterns = entriesOf(typeof found === "string" ? parseJson(found) : found);
  if (patterns === undefined) return { ok: false, refused: [{ found, allowed: CHANNELS_ALLOWED }] };
  if (patterns.size > CHANNELS_MAX)
    return {
      ok: false,
      refused: [
        { found: `${patterns.size} patterns`, allowed: `at most ${CHANNELS_MAX} patterns` },
      ],
    };
  const refused: Refused[] = [];
  const channels: [string, ChannelSettings][] = [];
  for (const [pattern, settings] of patterns) {
    if (pattern.length === 0 || pattern.length > CHANNEL_LENGTH_CEILING)
      refused.push({
        at: `.${pattern}`,
        found: `${pattern.length} characters`,
        allowed: `1 to ${CHANNEL_LENGTH_CEILING} characters`,
      });
    channels.push([pattern, readChannel(settings, `.${pattern}`, refused)]);
  }
  // fromEntries defines members, so that a pattern named __proto__ is only a name.
  return refused.length > 0
    ? { ok: false, refused }
    : { ok: true, value: Object.fromEntries(channels) };
}

function readChannel(found: unknown, at: string, refused: Refused[]): ChannelSettings {
  const fields = found === null ? new Map<string, unknown>() : entriesOf(found);
  if (fields === undefined) {
    refused.push({ at, found, allowed: `a map of ${FIELDS.join(", ")}` });
    return {};
  }
  refused.push(...unknownKeys(fields, FIELDS, at));
  const settings = defined({
    class: oneOf(CLASSES, fields.get("class"), `${at}.class`, refused),
    history: readHistory(fields.get("history"), `${at}.history`, refused),
    presence: readPresence(fields.get("presence"), `${at}.presence`, refused),
    permissions: readPermissions(fields.get("permissions"), `${at}.permissions`, refused),
    slowConsumer: oneOf(
      SLOW_CONSUMER_POLICIES,
      fields.get("slowConsumer"),
      `${at}.slowConsumer`,
      refused,
    ),
  });
  if (settings.class === "durable" && settings.history?.ttlMs === undefined)
    refused.push({
      at: `${at}.history.ttlMs`,
      found: "nothing",
      allowed: "a time, because the channel is durable",
    });
  return settings;
}

function readHistory(found: unknown, at: string, refused: Refused[]): ChannelSettings["history"] {
  if (found === undefined) return undefined;
  const fields = entriesOf(found);
  if (fields === undefined) {
    refused.push({ at, found, allowed: "a map of size, ttlMs" });
    return undefined;
  }
  refused.push(...unknownKeys(fields, ["size", "ttlMs"], at));
  return defined({
    size: inRange(
      fields.get("size"),
      parseNumber,
      { at: `${at}.size`, max: HISTORY_SIZE_MAX, min: 0 },
      refused,
    ),
    ttlMs: inRange(
      fields.get("ttlMs"),
      parseDurationMs,
      { at: `${at}.ttlMs`, max: HISTORY_TTL_MS_MAX, min: 1000 },
      refused,
    ),
  });
}

function readPresence(found: unknown, at: string, refused: Refused[]): boolean | undefined {
  const value = parseBoolean(found);
  if (found !== undefined && value === undefined)
    refused.push({ at, found, allowed: "true or false" });
  return value;
}

function readPermissions(
  found: unknown,
  at: string,
  refused: Refused[],
): ChannelSettings["permissions"] {
  if (found === undefined) return undefined;
  const fields = entriesOf(found);
  if (fields === undefined) {
    refused.push({ at, found, allowed: `a map of ${ACTIONS.join(", ")}` });
    return undefined;
  }
  refused.push(...unknownKeys(fields, ACTIONS, at));
  const rule = (action: string) =>
    oneOf(CHANNEL_RULES, fields.get(action), `${at}.${action}`, refused);
  return defined({
    subscribe: rule("subscribe"),
    publish: rule("publish"),
    presence: rule("presence"),
    history: rule("history"),
  });
}

function oneOf<T extends string>(
  words: readonly T[],
  found: unknown,
  at: string,
  refused: Refused[],
): T | undefined {
  const word = words.find((known) => known === found);
  if (found !== undefined && word === undefined)
    refused.push({ at, found, allowed: words.join(", ") });
  return word;
}

function inRange(
  found: unknown,
  parse: (found: unknown) => number | undefined,
  range: { readonly at: string; readonly min: number; readonly max: number },
  refused: Refused[],
): number | undefined {
  if (found === undefined) return undefined;
  const value = parse(found);
  if (
    value !== undefined &&
    Number.isSafeInteger(value) &&
    value >= range.min &&
    value <= range.max
  )
    return value;
  refused.push({ at: range.at, found, allowed: `${range.min} to ${range.max}` });
  return undefined;
}

type Defined<T> = { readonly [K in keyof T]?: Exclude<T[K], undefined> };

/** Leaves out undefined members, so that absent stays absent. */
function defined<T extends object>(fields: T): Defined<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
