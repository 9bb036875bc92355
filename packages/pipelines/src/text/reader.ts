// Owns: reading plain data with a path for each problem.
import type { KeyValue, Of } from "../define/types.ts";
import { compileExpression } from "./expression.ts";

/** Variables of every expression. */
const VARIABLES = ["value", "params", "channel", "key", "user", "time"];

export type Data = Readonly<Record<string, unknown>>;

/** One object of the text, and where it stands. Problems go into one list. */
export class Reader {
  readonly path: string;
  readonly problems: string[];
  readonly #data: Data;
  readonly #seen = new Set<string>();

  constructor(data: unknown, path: string, problems: string[]) {
    this.path = path;
    this.problems = problems;
    if (typeof data !== "object" || data === null || Array.isArray(data)) {
      this.#data = {};
      this.say(path, data, "an object");
    } else this.#data = data as Data;
  }

  say(where: string, found: unknown, expected: string): void {
    this.problems.push(`Cannot use ${where}: found ${JSON.stringify(found)}, expected ${expected}`);
  }

  get keys(): readonly string[] {
    return Object.keys(this.#data);
  }

  has(name: string): boolean {
    return this.#data[name] !== undefined;
  }

  any(name: string): unknown {
    this.#seen.add(name);
    return this.#data[name];
  }

  text(name: string, fallback?: string): string {
    const found = this.any(name) ?? fallback;
    if (typeof found === "string") return found;
    this.say(`${this.path}.${name}`, found, "a text");
    return "";
  }

  number(name: string, fallback?: number): number {
    const found = this.any(name) ?? fallback;
    if (typeof found === "number") return found;
    this.say(`${this.path}.${name}`, found, "a number");
    return 0;
  }

  /** A duration as text or milliseconds; checked by whoever takes it. */
  duration(name: string): { readonly [N in string]: `${number}s` } | {} {
    const found = this.any(name);
    if (found === undefined) return {};
    if (typeof found === "string" || typeof found === "number")
      return { [name]: found as `${number}s` };
    this.say(`${this.path}.${name}`, found, "a duration");
    return {};
  }

  list(name: string): readonly unknown[] {
    const found = this.any(name);
    if (Array.isArray(found)) return found;
    this.say(`${this.path}.${name}`, found, "a list");
    return [];
  }

  child(name: string): Reader {
    return new Reader(this.any(name), `${this.path}.${name}`, this.problems);
  }

  /** A function of an event. `more`: variables besides those of every expression. */
  of<R>(name: string): Of<never, never, R> {
    return this.#compile(this.any(name), `${this.path}.${name}`) as Of<never, never, R>;
  }

  maybe<R>(name: string): Of<never, never, R> | undefined {
    return this.has(name) ? this.of<R>(name) : undefined;
  }

  /** An expression, or an object with one for each part of the key. */
  key(name: string): Of<never, never, KeyValue> | undefined {
    const found = this.any(name);
    if (found === undefined) return undefined;
    if (typeof found !== "object" || found === null) return this.of(name);
    const child = this.child(name);
    const parts = child.keys.map((part) => [part, child.of<string>(part)] as const);
    child.done();
    return (value, about) =>
      Object.fromEntries(parts.map(([part, of]) => [part, of(value, about)]));
  }

  /** Everything that was not asked for is a problem. */
  done(): void {
    for (const key of this.keys)
      if (!this.#seen.has(key)) this.say(`${this.path}.${key}`, key, "no such member");
  }

  #compile(text: unknown, where: string): (value: unknown, about: unknown) => unknown {
    if (typeof text === "number" || typeof text === "boolean") return () => text;
    if (typeof text !== "string") {
      this.say(where, text, "an expression");
      return () => null;
    }
    try {
      const expression = compileExpression(text, VARIABLES);
      return (value, about) => {
        const { channel, params, key, user, timeMs } = about as {
          readonly channel: string;
          readonly params: Readonly<Record<string, string>>;
          readonly key?: string;
          readonly user?: string;
          readonly timeMs: number;
        };
        return expression({ value, params, channel, key, user, time: timeMs });
      };
    } catch (error) {
      this.problems.push(`${where}: ${error instanceof Error ? error.message : String(error)}`);
      return () => null;
    }
  }
}
