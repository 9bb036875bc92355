// Owns: the form of `backEnds`: who answers hooks and RPCs over HTTP.
import {
  entriesOf,
  parseDurationMs,
  parseJson,
  type Reading,
  type Refused,
  unknownKeys,
} from "@holdfast/config";

export const BACK_END_HOOKS = ["onConnect", "onSubscribe", "onPublish", "onDisconnect"] as const;
export type BackEndHook = (typeof BACK_END_HOOKS)[number];

/** One back end of the application, as the file names it. */
export interface BackEndSettings {
  readonly url: string;
  /** Variable with the secret that signs requests. */
  readonly secretFrom?: string;
  /** Of one request. */
  readonly timeoutMs: number;
  /** Hooks that it answers. */
  readonly hooks: readonly BackEndHook[];
  /** RPCs that it answers, with who may call. */
  readonly rpcs: Readonly<Record<string, "anyone" | "authenticated">>;
  /** What a hook means that gets no answer. */
  readonly whenAway: "refuse" | "allow";
  /** PEM certificates of authorities that are trusted beside those of the system. */
  readonly caFile?: string;
}

export type BackEndMap = Readonly<Record<string, BackEndSettings>>;

export const BACK_ENDS_ALLOWED =
  "a map of names to {url, secretFrom, timeoutMs, hooks, rpcs, whenAway, caFile}";
const FIELDS = ["url", "secretFrom", "timeoutMs", "hooks", "rpcs", "whenAway", "caFile"];
const NAME = /^[A-Za-z][\w-]{0,31}$/;
const VARIABLE = /^[A-Za-z_]\w{0,127}$/;
const COUNT_MAX = 16;
const RPCS_MAX = 1000;
const RPC_LENGTH_MAX = 128;
const TIMEOUT_MS = { min: 10, usual: 2_000, max: 60_000 };

/** Reads a map of back ends, or JSON text of one. Values are not repeated in refusals. */
export function readBackEnds(found: unknown): Reading<BackEndMap> {
  const entries = entriesOf(typeof found === "string" ? parseJson(found) : found);
  if (entries === undefined) return { ok: false, refused: [{ found, allowed: BACK_ENDS_ALLOWED }] };
  if (entries.size > COUNT_MAX)
    return {
      ok: false,
      refused: [{ found: `${entries.size} back ends`, allowed: `at most ${COUNT_MAX}` }],
    };
  const refused: Refused[] = [];
  const backEnds: [string, BackEndSettings][] = [];
  for (const [name, value] of entries) {
    const at = `.${name}`;
    if (!NAME.test(name))
      refused.push({ at, found: name, allowed: "a letter, then letters, digits, - and _" });
    const settings = readBackEnd(entriesOf(value), at, refused);
    if (settings !== undefined) backEnds.push([name, settings]);
  }
  return refused.length > 0
    ? { ok: false, refused }
    : { ok: true, value: Object.fromEntries(backEnds) };
}

type Fields = NonNullable<ReturnType<typeof entriesOf>>;

function readBackEnd(
  fields: Fields | undefined,
  at: string,
  refused: Refused[],
): BackEndSettings | undefined {
  if (fields === undefined) {
    refused.push({ at, found: "no map", allowed: BACK_ENDS_ALLOWED });
    return undefined;
  }
  refused.push(...unknownKeys(fields, FIELDS, at));
  const url = fields.get("url");
  if (!isPlainUrl(url))
    refused.push({
      at: `${at}.url`,
      found: url === undefined ? "nothing" : "something else",
      allowed: "an http or https URL without a password",
    });
  const secretFrom = fields.get("secretFrom");
  if (secretFrom !== undefined && !(typeof secretFrom === "string" && VARIABLE.test(secretFrom)))
    refused.push({
      at: `${at}.secretFrom`,
      found: "something else",
      allowed: "the name of a variable of the environment",
    });
  const caFile = fields.get("caFile");
  if (caFile !== undefined && typeof caFile !== "string")
    refused.push({ at: `${at}.caFile`, found: caFile, allowed: "a path" });
  const whenAway = fields.get("whenAway") ?? "refuse";
  if (whenAway !== "refuse" && whenAway !== "allow")
    refused.push({ at: `${at}.whenAway`, found: whenAway, allowed: "refuse or allow" });
  return {
    url: String(url),
    ...(typeof secretFrom === "string" ? { secretFrom } : {}),
    timeoutMs: readTimeout(fields.get("timeoutMs"), `${at}.timeoutMs`, refused),
    hooks: readHooks(fields.get("hooks"), `${at}.hooks`, refused),
    rpcs: readRpcs(fields.get("rpcs"), `${at}.rpcs`, refused),
    whenAway: whenAway === "allow" ? "allow" : "refuse",
    ...(typeof caFile === "string" ? { caFile } : {}),
  };
}

function isPlainUrl(value: unknown): boolean {
  if (typeof value !== "string" || !URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === "" && password === "";
}

function readTimeout(found: unknown, at: string, refused: Refused[]): number {
  const { min, usual, max } = TIMEOUT_MS;
  const value = found === undefined ? usual : parseDurationMs(found);
  if (value !== undefined && value >= min && value <= max) return value;
  refused.push({ at, found, allowed: `${min} ms to ${max / 1000} s` });
  return usual;
}

function readHooks(found: unknown, at: string, refused: Refused[]): readonly BackEndHook[] {
  if (found === undefined) return [];
  const hooks = Array.isArray(found)
    ? BACK_END_HOOKS.filter((hook) => found.includes(hook))
    : undefined;
  if (hooks !== undefined && hooks.length === (found as unknown[]).length) return hooks;
  refused.push({ at, found, allowed: `a list of ${BACK_END_HOOKS.join(", ")}` });
  return [];
}

function readRpcs(found: unknown, at: string, refused: Refused[]): BackEndSettings["rpcs"] {
  const entries = found === undefined ? new Map<string, unknown>() : entriesOf(found);
  const allowed = "a map of RPCs to anyone or authenticated";
  if (entries === undefined || entries.size > RPCS_MAX) {
    refused.push({ at, found: entries === undefined ? found : `${entries.size} RPCs`, allowed });
    return {};
  }
  const rpcs: [string, "anyone" | "authenticated"][] = [];
  for (const [name, rule] of entries) {
    if (name.length === 0 || name.length > RPC_LENGTH_MAX)
      refused.push({
        at: `${at}.${name.slice(0, 40)}`,
        found: `${name.length} characters`,
        allowed,
      });
    if (rule === "anyone" || rule === "authenticated") rpcs.push([name, rule]);
    else refused.push({ at: `${at}.${name.slice(0, 40)}`, found: rule, allowed });
  }
  return Object.fromEntries(rpcs);
}
