// Owns: checks of channel patterns and names.
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { channelNameFault, hides, matchPattern, type Pattern, parsePattern } from "./pattern.ts";

const pattern = (text: string): Pattern => {
  const parsed = parsePattern(text, 255);
  if (!parsed.ok) throw new Error(`${text}: found ${parsed.found}`);
  return parsed.pattern;
};

describe("what a pattern matches", () => {
  const rows: [pattern: string, name: string, params: Record<string, string> | undefined][] = [
    ["news", "news", {}],
    ["news", "news:today", undefined],
    ["news", "new", undefined],
    ["chat:{room}", "chat:lobby", { room: "lobby" }],
    ["chat:{room}", "chat:{room}", { room: "{room}" }],
    ["chat:{room}", "chat:", undefined],
    ["chat:{room}", "chat", undefined],
    ["chat:{room}", "chat:a:b", undefined],
    ["chat:{room}", "xchat:a", undefined],
    ["chat:{room}:{topic}", "chat:a:b", { room: "a", topic: "b" }],
    ["chat:{room}:{topic}", "chat:a:", undefined],
    ["chat:{room}:log", "chat:a:log", { room: "a" }],
    ["chat:{room}:log", "chat:a:logs", undefined],
    ["game-{id}-moves", "game-7-moves", { id: "7" }],
    ["game-{id}-moves", "game-7-moves-moves", { id: "7-moves" }],
    ["game-{id}-moves", "game--moves", undefined],
    ["game-{id}-moves", "game-moves", undefined],
    ["{user}", "ada", { user: "ada" }],
    ["{user}:inbox", "ada:inbox", { user: "ada" }],
    ["files:{path*}", "files:a", { path: "a" }],
    ["files:{path*}", "files:a:b:", { path: "a:b:" }],
    ["files:{path*}", "files:", undefined],
    ["files:{path*}", "files", undefined],
    ["files:v{path*}", "files:v1:x", { path: "1:x" }],
    ["files:v{path*}", "files:v", undefined],
    ["a::{b}", "a::c", { b: "c" }],
    ["a::{b}", "a:x:c", undefined],
    ["x:{constructor}", "x:y", { constructor: "y" }],
  ];
  for (const [text, name, params] of rows) {
    test(`${text} ${params === undefined ? "does not match" : "matches"} ${name || "(empty)"}`, () => {
      expect(matchPattern(pattern(text), name)).toEqual(params as never);
    });
  }
});

describe("a malformed pattern is refused", () => {
  const rows: [pattern: string, found: string][] = [
    ["", "an empty name"],
    ["a".repeat(256), "256 characters"],
    ["a\nb", "the control character U+000a"],
    ["a{", '"a{"'],
    ["a}b{", '"a}b{"'],
    ["{a}{b}", '"{a}{b}"'],
    ["{a}-{b}", '"{a}-{b}"'],
    ["{}", "{}"],
    ["{a b}", "{a b}"],
    ["{__proto__}", "{__proto__}"],
    ["{1}", "{1}"],
    ["chat:*", "a *"],
    ["*{a}", "a *"],
    ["{a*}:b", "{a*} before the end"],
    ["{a*}b", "{a*} before the end"],
    ["{a**}", "{a**}"],
    ["{a}:{a}", "{a} twice"],
    ["a:\ud800", "half a surrogate pair"],
  ];
  for (const [text, found] of rows) {
    test(`${JSON.stringify(text.slice(0, 20))}: ${found}`, () => {
      expect(parsePattern(text, 255)).toMatchObject({ ok: false, found });
    });
  }
});

const textPart = fc.stringMatching(/^[ab-]{1,3}$/);
const value = fc.stringMatching(/^[ab-]{1,4}$/);
const paramPart = fc.tuple(fc.stringMatching(/^[ab-]{0,2}$/), fc.stringMatching(/^[ab-]{0,2}$/));
/** A pattern with a name made from it. */
const patternAndName = fc
  .tuple(
    fc.array(fc.oneof(textPart, paramPart), { minLength: 1, maxLength: 4 }),
    fc.option(value),
    fc.array(value, { minLength: 5, maxLength: 5 }),
  )
  .map(([parts, rest, values]) => {
    const pieces = parts.map((part, at) =>
      typeof part === "string"
        ? { pattern: part, name: part, params: {} }
        : {
            pattern: `${part[0]}{p${at}}${part[1]}`,
            name: `${part[0]}${values[at]}${part[1]}`,
            params: { [`p${at}`]: values[at] },
          },
    );
    if (rest !== null)
      pieces.push({
        pattern: "{rest*}",
        name: `${rest}:${rest}`,
        params: { rest: `${rest}:${rest}` },
      });
    return {
      pattern: pieces.map((piece) => piece.pattern).join(":"),
      name: pieces.map((piece) => piece.name).join(":"),
      params: Object.assign({}, ...pieces.map((piece) => piece.params)) as Record<string, string>,
    };
  });

test("a name built from a pattern gives its parameters back", () => {
  fc.assert(
    fc.property(patternAndName, ({ pattern: text, name, params }) => {
      expect(matchPattern(pattern(text), name)).toEqual(params);
    }),
  );
});

test("a pattern that hides another matches every name that the other matches", () => {
  let hidden = 0;
  fc.assert(
    fc.property(patternAndName, patternAndName, (outer, inner) => {
      if (!hides(pattern(outer.pattern), pattern(inner.pattern))) return;
      hidden++;
      expect(matchPattern(pattern(outer.pattern), inner.name)).toBeDefined();
    }),
    { numRuns: 3000 },
  );
  expect(hidden).toBeGreaterThan(0);
});

describe("which pattern hides which", () => {
  const rows: [outer: string, inner: string, hidden: boolean][] = [
    ["chat:{a}", "chat:{b}", true],
    ["chat:{a}", "chat:lobby", true],
    ["chat:{a}", "chat:x-{b}", true],
    ["chat:x-{b}", "chat:{a}", false],
    ["chat:{a}", "chat:{a}:{b}", false],
    ["chat:{a}", "chat:{b*}", false],
    ["chat:{a*}", "chat:{b}:c", true],
    ["chat:{a*}", "chat:", false],
    ["chat:{a*}", "chat::x", true],
    ["chat", "chat", true],
    ["{a}", "chat", true],
    ["{a}", "chat:x", false],
  ];
  for (const [outer, inner, hidden] of rows) {
    test(`${outer} ${hidden ? "hides" : "does not hide"} ${inner}`, () =>
      expect(hides(pattern(outer), pattern(inner))).toBe(hidden));
  }
});

test("a name is refused when it is empty, too long, or holds control characters or half characters", () => {
  expect(channelNameFault("chat:lobby", 255)).toBeUndefined();
  expect(channelNameFault("chat:🦊", 255)).toBeUndefined();
  expect(channelNameFault("", 255)?.found).toBe("an empty name");
  expect(channelNameFault("abcd", 3)).toEqual({ found: "4 characters", expected: "at most 3" });
  for (const bad of ["\u0000", "a\u007f", "\u0085", "\ud800", "\udc00x", "\ud83ea"])
    expect(channelNameFault(bad, 255)).toBeDefined();
});

test("matching a long hostile name takes one pass", () => {
  const many = pattern("{a}-x:{b}-x:{c}-x:{d*}");
  const name = `${"-x".repeat(100_000)}:`.repeat(4);
  const matched = matchPattern(many, name);
  expect(matched?.a).toHaveLength(199_998);
});
