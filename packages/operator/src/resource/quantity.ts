// Owns: the one form of an amount: `1000m` is `1`, and `1Gi` is `1024Mi`.

const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
};
/** Divided by, so that 700m is the same number as 0.7. */
const PARTS: Readonly<Record<string, number>> = { n: 1e9, u: 1e6, m: 1e3 };

/** The amount as a plain number in a text. What is no amount stays as it is. */
export function quantity(found: unknown): unknown {
  const text = typeof found === "number" ? String(found) : found;
  if (typeof text !== "string") return found;
  const [, digits, suffix = ""] =
    /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([numkMGTPE]|[KMGTPE]i)?$/.exec(text) ?? [];
  if (digits === undefined) return found;
  const part = PARTS[suffix];
  return String(
    part === undefined ? Number(digits) * (SUFFIXES[suffix] ?? 1) : Number(digits) / part,
  );
}
