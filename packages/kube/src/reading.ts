// Owns: reading values from manifests, which may hold anything. Nothing here throws; a value of the
// wrong shape counts as absent.

export type Json = Readonly<Record<string, unknown>>;
export type Path = readonly (string | number)[];

/** The value at a path; undefined if the path does not exist. */
export function at(value: unknown, ...path: Path): unknown {
  let here = value;
  for (const key of path) {
    if (typeof here !== "object" || here === null || !Object.hasOwn(here, key)) return undefined;
    here = Reflect.get(here, key);
  }
  return here;
}

/** A map; anything else reads as an empty one. */
export function record(value: unknown): Json {
  return isRecord(value) ? value : {};
}

export function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A list; anything else reads as an empty one. */
export function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A text. Numbers and booleans count, because people forget the quotes around annotations. */
export function text(value: unknown): string | undefined {
  return typeof value === "string"
    ? value
    : typeof value === "number" || typeof value === "boolean"
      ? String(value)
      : undefined;
}

/** A finite number, or a text that is one. */
export function number(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  return typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value.trim())
    ? Number(value)
    : undefined;
}

const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
  d: 86_400,
};

/**
 * Seconds of `90`, `90s`, `1m30s`, `1h`, `1500ms`. A bare number counts in `unit` (default
 * seconds).
 */
export function durationSeconds(value: unknown, unit: "s" | "ms" | "m" = "s"): number | undefined {
  const bare = number(value);
  if (bare !== undefined) return bare < 0 ? undefined : bare * (UNIT_SECONDS[unit] ?? 1);
  if (typeof value !== "string" || !/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d))+$/.test(value.trim()))
    return undefined;
  let sum = 0;
  for (const [, digits, name] of value.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d)/g))
    sum += Number(digits) * (UNIT_SECONDS[name ?? ""] ?? 0);
  return sum;
}

const QUANTITY: Readonly<Record<string, number>> = {
  "": 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** A quantity of Kubernetes in its base unit: `512Mi` in bytes, `500m` in cores. */
export function quantity(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isFinite(value) ? value : undefined;
  const [, digits, suffix = ""] =
    (typeof value === "string" ? /^(\d+(?:\.\d+)?)([A-Za-z]{0,2})$/.exec(value.trim()) : null) ??
    [];
  const factor = QUANTITY[suffix];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

/** `25%` or `2` of a whole, as Kubernetes rounds it. */
export function share(value: unknown, whole: number, round: "up" | "down"): number | undefined {
  const percent = typeof value === "string" ? /^(\d+)%$/.exec(value.trim())?.[1] : undefined;
  if (percent === undefined) return number(value);
  const exact = (whole * Number(percent)) / 100;
  return round === "up" ? Math.ceil(exact) : Math.floor(exact);
}

/**
 * Whether every label of the selector is there. An empty selector picks nothing here: in a Service
 * it means "no pods".
 */
export function picks(selector: unknown, labels: Json): boolean {
  const wanted = Object.entries(record(selector));
  return (
    wanted.length > 0 &&
    wanted.every(([key, value]) => Object.hasOwn(labels, key) && text(labels[key]) === text(value))
  );
}

/** A LabelSelector: matchLabels and matchExpressions. Empty picks everything, as in the API. */
export function selects(selector: unknown, labels: Json): boolean {
  const matches = Object.entries(record(at(selector, "matchLabels")));
  return (
    matches.every(
      ([key, value]) => Object.hasOwn(labels, key) && text(labels[key]) === text(value),
    ) && list(at(selector, "matchExpressions")).every((expression) => holds(expression, labels))
  );
}

function holds(expression: unknown, labels: Json): boolean {
  const key = text(at(expression, "key")) ?? "";
  const values = list(at(expression, "values")).map(text);
  const has = Object.hasOwn(labels, key);
  switch (at(expression, "operator")) {
    case "In":
      return has && values.includes(text(labels[key]));
    case "NotIn":
      return !has || !values.includes(text(labels[key]));
    case "Exists":
      return has;
    case "DoesNotExist":
      return !has;
    default:
      return false;
  }
}
