import { describe, expect, test } from "bun:test";
import { mutantsOf, mutated } from "./mutants.ts";
import { report } from "./report.ts";
import { tokensOf } from "./tokens.ts";

const changed = (source: string): readonly string[] =>
  mutantsOf("a.ts", source).map((mutant) => mutated(source, mutant));
const inBody = (body: string): readonly string[] =>
  changed(`function f() {\n  ${body}\n}\n`).map((text) => text.split("\n")[1]?.trim() ?? "");

describe("tokens", () => {
  test("comments, strings, templates with holes and regular expressions are not taken apart", () => {
    const source = 'a(/[/"]+/g, `x \u0024{b("}", `\u0024{c}`)} y`, "\\"", 1.5); // d\n/* e */ f?.g';
    expect(tokensOf(source).map(({ text }) => text)).toEqual([
      ...'a ( /[/"]+/g ,'.split(" "),
      '`x \u0024{b("}", `\u0024{c}`)} y`',
      ",",
      '"\\""',
      ..."\t, 1.5 ) ; f ?. g".trim().split(" "),
    ]);
  });

  test("braces are blocks, classes, types or values", () => {
    const source =
      "interface A { a: 1 } class B { f(): C { return { b }; } } const g = () => { h };";
    const around = (text: string) => tokensOf(source).find((token) => token.text === text)?.within;
    expect(around("a")).toEqual(["type"]);
    expect(around("return")).toEqual(["class", "block"]);
    expect(around("b")).toEqual(["class", "block", "value"]);
    expect(around("h")).toEqual(["block"]);
  });
});

describe("mutants", () => {
  test.each([
    [
      "if (a < 1) b();",
      ["if (true) b();", "if (false) b();", "if (a <= 1) b();", "if (a < 0) b();"],
    ],
    ["while (a) b();", ["while (false) b();"]],
    [
      "return a === b && !c;",
      ["return a !== b && !c;", "return a === b || !c;", "return a === b && c;"],
    ],
    ["await a.b(c);", ["a.b(c);", ";"]],
    ["x += Math.min(a, b);", [";", "x -= Math.min(a, b);", "x += Math.max(a, b);"]],
    ["return a?.b;", ["return a.b;"]],
    ["const a: Map<B, C> = d as E<F>;", []],
    ["const a = { b: true };", ["const a = { b: false };"]],
    ["const a: 0 | 1 = b;", []],
    ["return a - 1;", ["return a + 1;", "return a - 0;"]],
  ])("%s", (body, expected) => {
    expect(inBody(body).toSorted()).toEqual(expected.toSorted());
  });

  test("types, and numbers outside of functions, stay as they are", () => {
    expect(
      changed("export interface A { b: true; c: 0 }\ntype D = 1 | 0;\nconst E_MAX = 1;\n"),
    ).toEqual([]);
  });

  test("functions that are one expression are changed too", () => {
    expect(changed("export const f = (a: A) => a.b === c && !d;\n")).toHaveLength(3);
  });
});

test("the report names files with survivors, most first, and the share", () => {
  const [a, b] = mutantsOf("a.ts", "const f = () => a === b && c;");
  if (a === undefined || b === undefined) throw new Error("no mutants");
  expect(report([a, b], [b])).toBe("\n   1 of 2  a.ts\n2 mutants, 1 survived (50.0 %)");
});
