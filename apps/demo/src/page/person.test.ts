// Owns: checks of names and flags.
import { describe, expect, test } from "bun:test";
import { NAME_LENGTH_MAX } from "../names.ts";
import { FLAG_INKS, FLAG_PATTERNS, flagOf, loadName, saveName, tidyName } from "./person.ts";

function memory(): Storage {
  const values = new Map<string, string>();
  return {
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
    removeItem: (key) => void values.delete(key),
    clear: () => values.clear(),
    key: () => null,
    get length() {
      return values.size;
    },
  };
}

describe("a person", () => {
  test("keeps a given name over a reload, and a chosen one in new windows too", () => {
    const local = memory();
    const first = { local, session: memory() };
    const given = loadName(first, 0.3);
    expect(loadName(first, 0.9)).toBe(given);
    saveName(first, "Ada");
    expect(loadName(first, 0)).toBe("Ada");
    expect(loadName({ local, session: memory() }, 0)).toBe("Ada");
  });

  test("has a name that fits the contract, or none", () => {
    expect(tidyName("  Ada  ")).toBe("Ada");
    expect(tidyName("   ")).toBe("");
    expect(tidyName("x".repeat(99)).length).toBe(NAME_LENGTH_MAX);
  });

  test("has the same flag everywhere, and many sessions have many flags", () => {
    expect(flagOf("abc")).toEqual(flagOf("abc"));
    const flags = new Set(
      Array.from({ length: 500 }, (_, index) => JSON.stringify(flagOf(`session-${index}`))),
    );
    expect(flags.size).toBe(FLAG_PATTERNS.length * FLAG_INKS);
  });
});
