// Owns: the shape of spec/vectors/sessions.json and what its placeholders mean, for whoever replays
// it (spec/vectors/README.md).

/** A frame as it stands in a session: members as in JSON, strings may be placeholders. */
export type VectorFrame = Readonly<Record<string, unknown>>;

/** One step of a session vector: what a client sends, or what it must receive. */
export type SessionStep =
  | { readonly open: string; readonly node?: number; readonly offer?: readonly string[] }
  | { readonly send: string; readonly frames: readonly VectorFrame[] }
  | { readonly expect: string; readonly frames: readonly VectorFrame[]; readonly order?: "any" }
  | { readonly closed: string; readonly code: number }
  | { readonly cut: string }
  | { readonly node: number; readonly do: "drain" }
  | { readonly node: number; readonly do: "remove_history"; readonly ch: string };

/** A conversation between clients and nodes that every implementation must reproduce. */
export interface SessionVector {
  readonly name: string;
  /** Nodes that share a broker; default 1. */
  readonly nodes?: number;
  /** How far the clock of each node is ahead, in ms; default 0. */
  readonly clocksAheadMs?: readonly number[];
  /** The codecs in which it runs; default all. */
  readonly codecs?: readonly ("json" | "msgpack")[];
  readonly steps: readonly SessionStep[];
}

const PLACEHOLDER = /^<(str|int)(?::([a-z0-9-]+))?>$/;
const ABSENT = "<absent>";

/** The values that a replayed session has met so far. */
export class SessionValues {
  readonly #values = new Map<string, unknown>();

  /**
   * `template` with the kept values in place of its placeholders. `choose` gives a value to a name
   * that has none yet (who plays the node); without it such a name is a RangeError.
   */
  fill(template: unknown, choose?: (type: "str" | "int", name: string) => unknown): unknown {
    if (Array.isArray(template)) return template.map((item) => this.fill(item, choose));
    if (typeof template === "object" && template !== null) {
      const present = Object.entries(template).filter(([, item]) => item !== ABSENT);
      return Object.fromEntries(present.map(([key, item]) => [key, this.fill(item, choose)]));
    }
    const placeholder = placeholderIn(template);
    if (placeholder === undefined) return template;
    const { type, name } = placeholder;
    if (name !== undefined && this.#values.has(name)) return this.#values.get(name);
    if (choose === undefined) throw new RangeError(`Nothing is kept for ${String(template)}`);
    const value = choose(type, name ?? "");
    if (name !== undefined) this.#values.set(name, value);
    return value;
  }

  /**
   * Compares `actual` with `template`. Undefined when it fits (names that it met are kept then),
   * else where and how it differs (nothing is kept then).
   */
  match(template: unknown, actual: unknown): string | undefined {
    const met = new Map<string, unknown>();
    const difference = this.#compare(template, actual, { path: "", met });
    if (difference === undefined) for (const [name, value] of met) this.#values.set(name, value);
    return difference;
  }

  #compare(
    template: unknown,
    actual: unknown,
    at: { readonly path: string; readonly met: Map<string, unknown> },
  ): string | undefined {
    const { path, met } = at;
    const placeholder = placeholderIn(template);
    if (placeholder !== undefined) return this.#meet(placeholder, actual, at);
    if (Array.isArray(template)) {
      if (!Array.isArray(actual) || actual.length !== template.length)
        return differs(path, template, actual);
      return firstOf(template, (item, i) =>
        this.#compare(item, actual[i], { path: `${path}[${i}]`, met }),
      );
    }
    if (typeof template !== "object" || template === null)
      return Object.is(template, actual) ? undefined : differs(path, template, actual);
    if (typeof actual !== "object" || actual === null || Array.isArray(actual))
      return differs(path, template, actual);
    const members = actual as Readonly<Record<string, unknown>>;
    return firstOf(Object.entries(template), ([key, item]) => {
      if (item === ABSENT)
        return members[key] === undefined
          ? undefined
          : differs(`${path}.${key}`, item, members[key]);
      return this.#compare(item, members[key], { path: `${path}.${key}`, met });
    });
  }

  #meet(
    { type, name }: Placeholder,
    actual: unknown,
    { path, met }: { readonly path: string; readonly met: Map<string, unknown> },
  ): string | undefined {
    const fits =
      type === "str"
        ? typeof actual === "string" && actual !== ""
        : Number.isSafeInteger(actual) && (actual as number) >= 0;
    if (!fits) return differs(path, `<${type}>`, actual);
    if (name === undefined) return undefined;
    const kept = this.#values.has(name) ? this.#values.get(name) : met.get(name);
    if (kept !== undefined && kept !== actual) return differs(path, kept, actual);
    met.set(name, actual);
    return undefined;
  }
}

interface Placeholder {
  readonly type: "str" | "int";
  readonly name: string | undefined;
}

function placeholderIn(value: unknown): Placeholder | undefined {
  const [, type, name] = (typeof value === "string" && PLACEHOLDER.exec(value)) || [];
  return type === "str" || type === "int" ? { type, name } : undefined;
}

const differs = (path: string, expected: unknown, actual: unknown): string =>
  `${path || "frame"}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(actual) ?? "nothing"}`;

function firstOf<T>(
  list: readonly T[],
  problem: (item: T, index: number) => string | undefined,
): string | undefined {
  for (const [index, item] of list.entries()) {
    const found = problem(item, index);
    if (found !== undefined) return found;
  }
  return undefined;
}
