// Owns: what is wrong with a contract's definition, in words; a definition may come from JavaScript
// or YAML, so nothing of its shape is taken for granted.
import { DELIVERY_CLASSES, KEY_LENGTH_MAX } from "@holdfast/protocol";
import { hides, PATTERNS_MAX, type Pattern, parsePattern } from "./pattern.ts";

/** Problems told at most; more are counted. */
const PROBLEMS_MAX = 50;
export const RPCS_MAX = 1000;
const MIDDLEWARE_MAX = 100;
/** Publications or keys that a channel may keep. */
const HISTORY_SIZE_MAX = 1_000_000;
/** A year. */
const HISTORY_TTL_MS_MAX = 366 * 24 * 3_600_000;

const CHANNEL_KEYS = [
  "payload",
  "presenceData",
  "class",
  "history",
  "presence",
  "permissions",
  "slowConsumer",
];
const CONTRACT_KEYS = [
  "channels",
  "rpc",
  "hooks",
  "middleware",
  "dependencies",
  "pipelines",
  "sources",
];
const RPC_KEYS = ["input", "output", "allow", "handler"];
const HOOK_KEYS = ["onConnect", "onSubscribe", "onPublish", "onDisconnect"];
const ACTIONS = ["subscribe", "publish", "presence", "history"];
const RULES = ["anyone", "authenticated", "token", "nobody"];
const POLICIES: Readonly<Record<string, readonly string[]>> = {
  volatile: ["drop", "disconnect"],
  latest: ["conflate", "disconnect"],
  ordered: ["catch-up", "disconnect"],
  durable: ["catch-up", "disconnect"],
};

type Data = Readonly<Record<string, unknown>>;
type Say = (found: string, expected: string) => void;

export interface CheckOptions {
  readonly channelLengthMax: number;
  /** True for YAML and JSON: no schemas, no functions. */
  readonly plain?: boolean;
}

/**
 * Problems as "Cannot use channel "x": found ..., expected ..."; empty when the definition can be
 * compiled. At most 51.
 */
export function definitionProblems(definition: unknown, options: CheckOptions): readonly string[] {
  const problems: string[] = [];
  const say =
    (what: string): Say =>
    (found, expected) => {
      problems.push(`Cannot use ${what}: found ${found}, expected ${expected}`);
    };
  const data = object(definition);
  if (data === undefined) say("the contract")(name(definition), "an object with channels");
  else {
    checkKeys(data, CONTRACT_KEYS, say("the contract"));
    checkChannels(data.channels, options, say);
    checkRpcs(data.rpc, say);
    checkHooks(data.hooks, say("the hooks"));
    checkMiddleware(data.middleware, say("the middleware"));
    checkDependencies(data.dependencies, say("the dependencies"));
  }
  if (problems.length <= PROBLEMS_MAX) return problems;
  return [
    ...problems.slice(0, PROBLEMS_MAX),
    `and ${problems.length - PROBLEMS_MAX} more problems`,
  ];
}

function checkChannels(channels: unknown, options: CheckOptions, say: (what: string) => Say): void {
  const entries = Object.entries(members(channels, say("the channels"), "an object of patterns"));
  if (entries.length > PATTERNS_MAX)
    say("the channels")(`${entries.length} patterns`, `at most ${PATTERNS_MAX}`);
  const earlier: Pattern[] = [];
  for (const [text, definition] of entries.slice(0, PATTERNS_MAX)) {
    const sayHere = say(`channel ${JSON.stringify(text.slice(0, 100))}`);
    checkPattern(text, earlier, options, sayHere);
    checkChannel(definition, options.plain === true, sayHere);
  }
}

function checkPattern(text: string, earlier: Pattern[], options: CheckOptions, say: Say): void {
  const parsed = parsePattern(text, options.channelLengthMax);
  if (!parsed.ok) {
    say(parsed.found, parsed.expected);
    return;
  }
  const hider = earlier.find((other) => hides(other, parsed.pattern));
  if (hider !== undefined)
    say(`it behind "${hider.text}", which takes all its names`, "the narrower pattern first");
  earlier.push(parsed.pattern);
}

function checkChannel(definition: unknown, plain: boolean, say: Say): void {
  const data = members(definition, say, "an object");
  checkKeys(
    data,
    plain
      ? CHANNEL_KEYS.filter((key) => key !== "payload" && key !== "presenceData")
      : CHANNEL_KEYS,
    say,
  );
  if (!plain) checkSchemas(data, ["payload", "presenceData"], say);
  if (data.presence !== undefined && typeof data.presence !== "boolean")
    say(`presence ${name(data.presence)}`, "true or false");
  if (data.presenceData !== undefined && data.presence !== true)
    say("presenceData without presence", "presence: true beside it");
  checkPermissions(data.permissions, plain, say);
  const cls = data.class ?? "ordered";
  if (typeof cls !== "string" || !(DELIVERY_CLASSES as readonly string[]).includes(cls)) {
    say(`class ${name(cls)}`, `one of ${DELIVERY_CLASSES.join(", ")}`);
    return;
  }
  const size = checkHistory(data.history, cls, say);
  checkSlowConsumer(data.slowConsumer, cls, size, say);
}

/** The history's size where one is given and right. */
function checkHistory(history: unknown, cls: string, say: Say): number | undefined {
  const data =
    history === undefined
      ? {}
      : members(
          history,
          (found, expected) => say(`history ${found}`, expected),
          "an object with size and ttlMs",
        );
  if (cls === "volatile" && history !== undefined)
    say("history on a volatile channel", "class ordered, durable or latest");
  checkKeys(data, ["size", "ttlMs"], (found, expected) => say(`history with ${found}`, expected));
  const sizeMin = cls === "ordered" ? 0 : 1;
  checkNumber(data.size, { what: "history.size", min: sizeMin, max: HISTORY_SIZE_MAX }, say);
  checkNumber(data.ttlMs, { what: "history.ttlMs", min: 1, max: HISTORY_TTL_MS_MAX }, say);
  if (cls === "durable" && data.ttlMs === undefined)
    say("class durable without history.ttlMs", "how long publications are kept");
  return typeof data.size === "number" ? data.size : undefined;
}

function checkNumber(
  value: unknown,
  range: { readonly what: string; readonly min: number; readonly max: number },
  say: Say,
): void {
  if (
    value === undefined ||
    (Number.isInteger(value) && Number(value) >= range.min && Number(value) <= range.max)
  )
    return;
  say(`${range.what} ${name(value)}`, `a whole number from ${range.min} to ${range.max}`);
}

function checkSlowConsumer(policy: unknown, cls: string, size: number | undefined, say: Say): void {
  if (policy === undefined) return;
  const allowed = POLICIES[cls] ?? [];
  if (typeof policy !== "string" || !allowed.includes(policy)) {
    say(`slowConsumer ${name(policy)}`, `one of ${allowed.join(", ")} in class ${cls}`);
  } else if (policy === "catch-up" && size === 0)
    say("slowConsumer catch-up with history.size 0", "a history to catch up from");
}

function checkPermissions(permissions: unknown, plain: boolean, say: Say): void {
  if (permissions === undefined) return;
  const data = members(
    permissions,
    (found, wanted) => say(`permissions ${found}`, wanted),
    `an object with ${ACTIONS.join(", ")}`,
  );
  checkKeys(data, ACTIONS, (found, expected) => say(`permissions with ${found}`, expected));
  const expected = `one of ${RULES.join(", ")}${plain ? "" : " or a function"}`;
  for (const action of ACTIONS) {
    const rule = data[action];
    if (
      rule === undefined ||
      (typeof rule === "function" && !plain) ||
      (typeof rule === "string" && RULES.includes(rule))
    )
      continue;
    say(`permissions.${action} ${name(rule)}`, expected);
  }
}

function checkRpcs(rpcs: unknown, say: (what: string) => Say): void {
  if (rpcs === undefined) return;
  const entries = Object.entries(members(rpcs, say("the rpcs"), "an object of RPCs"));
  if (entries.length > RPCS_MAX) say("the rpcs")(`${entries.length}`, `at most ${RPCS_MAX}`);
  for (const [text, definition] of entries.slice(0, RPCS_MAX)) {
    const sayHere = say(`rpc ${JSON.stringify(text.slice(0, 100))}`);
    if (text.length === 0 || text.length > KEY_LENGTH_MAX)
      sayHere(`a name of ${text.length} characters`, `1 to ${KEY_LENGTH_MAX}`);
    checkRpc(definition, sayHere);
  }
}

function checkRpc(definition: unknown, say: Say): void {
  const data = members(definition, say, "an object");
  checkKeys(data, RPC_KEYS, say);
  checkSchemas(data, ["input", "output"], say);
  if (typeof data.handler !== "function") say(`handler ${name(data.handler)}`, "a function");
  const allow = data.allow;
  if (
    allow === undefined ||
    allow === "anyone" ||
    allow === "authenticated" ||
    typeof allow === "function"
  )
    return;
  say(`allow ${name(allow)}`, "anyone, authenticated or a function");
}

function checkHooks(hooks: unknown, say: Say): void {
  if (hooks === undefined) return;
  const data = members(hooks, say, `an object with ${HOOK_KEYS.join(", ")}`);
  checkKeys(data, HOOK_KEYS, say);
  for (const key of HOOK_KEYS) {
    if (data[key] !== undefined && typeof data[key] !== "function")
      say(`${key} ${name(data[key])}`, "a function");
  }
}

function checkMiddleware(middleware: unknown, say: Say): void {
  if (middleware === undefined) return;
  if (!Array.isArray(middleware)) return say(name(middleware), "a list of functions");
  if (middleware.length > MIDDLEWARE_MAX)
    say(`${middleware.length} functions`, `at most ${MIDDLEWARE_MAX}`);
  for (const around of middleware.slice(0, MIDDLEWARE_MAX))
    if (typeof around !== "function") say(name(around), "a function");
}

function checkDependencies(dependencies: unknown, say: Say): void {
  if (dependencies === undefined) return;
  const data = members(dependencies, say, "an object with start and stop");
  checkKeys(data, ["start", "stop"], say);
  if (typeof data.start !== "function") say(`start ${name(data.start)}`, "a function");
  if (data.stop !== undefined && typeof data.stop !== "function")
    say(`stop ${name(data.stop)}`, "a function");
}

function checkSchemas(data: Data, keys: readonly string[], say: Say): void {
  for (const key of keys) {
    if (data[key] !== undefined && !isSchema(data[key]))
      say(`${key} ${name(data[key])}`, "a Standard Schema (zod, valibot, arktype)");
  }
}

/** Standard Schema version 1: an object or function with `~standard`. */
function isSchema(value: unknown): boolean {
  if (
    (typeof value !== "object" && typeof value !== "function") ||
    value === null ||
    !("~standard" in value)
  )
    return false;
  const props = object(value["~standard"]);
  return props !== undefined && props.version === 1 && typeof props.validate === "function";
}

function checkKeys(data: Data, known: readonly string[], say: Say): void {
  for (const key of Object.keys(data))
    if (!known.includes(key))
      say(`unknown member ${JSON.stringify(key.slice(0, 100))}`, known.join(", "));
}

/** The value's members; none, and a problem, when it is no object. */
function members(value: unknown, say: Say, expected: string): Data {
  const data = object(value);
  if (data === undefined) say(name(value), expected);
  return data ?? {};
}

function object(value: unknown): Data | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Data)
    : undefined;
}

/** A value as a person would name it, short. */
function name(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 100));
  if (value === undefined) return "nothing";
  if (value === null || typeof value === "number" || typeof value === "boolean")
    return String(value);
  return Array.isArray(value) ? "a list" : `a ${typeof value}`.replace("a object", "an object");
}
