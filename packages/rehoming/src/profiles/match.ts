// Owns: which frames a rule of a route means.
import type { Frame } from "../frame.ts";

/**
 * Text frames that begin so, or that are JSON objects with these values at these paths (names
 * joined by dots). A value `null` means that the path is there, whatever it holds.
 */
export type Match =
  | { readonly prefix: string }
  | { readonly json: Readonly<Record<string, string | number | boolean | null>> };

/** A frame that rules look at. It is parsed at most once, and only if a rule asks for it. */
export class Read {
  readonly #frame: Frame;
  #value: unknown;
  #isParsed = false;

  constructor(frame: Frame) {
    this.#frame = frame;
  }

  matches(match: Match): boolean {
    if (typeof this.#frame !== "string") return false;
    if ("prefix" in match) return this.#frame.startsWith(match.prefix);
    return Object.entries(match.json).every(([path, wanted]) => {
      const found = this.at(path);
      return wanted === null ? found !== undefined : found === wanted;
    });
  }

  /** Undefined if the frame is no JSON object, or has nothing there. */
  at(path: string): unknown {
    return path.split(".").reduce<unknown>((value, name) => {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, name))
        return undefined;
      return (value as Readonly<Record<string, unknown>>)[name];
    }, this.#parsed());
  }

  #parsed(): unknown {
    if (this.#isParsed) return this.#value;
    this.#isParsed = true;
    if (typeof this.#frame !== "string" || !/^\s*[{[]/.test(this.#frame)) return undefined;
    try {
      this.#value = JSON.parse(this.#frame);
    } catch {
      // It is not JSON: no rule about values means it.
    }
    return this.#value;
  }
}
