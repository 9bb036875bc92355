// Owns: frames and limits do not change by accident, and the specification names what there is.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { readSpec, withCodeTable } from "../scripts/code-table.ts";
import { CODES, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, WIRE } from "./index.ts";

const source = (file: string): string => readFileSync(new URL(file, import.meta.url), "utf8");
/**
 * Without comments and what the formatter decides: white space, trailing commas and semicolons,
 * leading bars.
 */
const withoutComments = (text: string): string =>
  text
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
    .replace(/\s+/g, "")
    .replace(/[,;](?=[)\]}])/g, "")
    .replace(/(?<=[=:(<,])\|/g, "");
const spec = readSpec();

test("the wire's schema is the one that is pinned beside its version", () => {
  const hash = new Bun.CryptoHasher("sha256").update(
    ["./frames.ts", "./limits.ts"].map((file) => withoutComments(source(file))).join("\n"),
  );
  expect<string>(WIRE.schema).toBe(hash.digest("hex").slice(0, 16));
  expect(SUBPROTOCOL_JSON).toBe(`holdfast.v${WIRE.version}`);
  expect(SUBPROTOCOL_MSGPACK).toBe(`holdfast.v${WIRE.version}+msgpack`);
});

test("the table of codes in the specification is in step with codes.ts", () => {
  expect(withCodeTable(spec)).toBe(spec);
});

test("every frame type has a section, a table and an example in the specification, and no other has", () => {
  const types = [...withoutComments(source("./frames.ts")).matchAll(/readonlyt:"([a-z]+)"/g)].map(
    ([, type]) => type as string,
  );
  const frames = spec.slice(spec.indexOf("## 4. Frames"), spec.indexOf("## 5."));
  const sections = [...frames.matchAll(/^#### (.+)$/gm)].flatMap(([, title]) =>
    (title as string).split(", "),
  );
  // `history` is a frame of either side.
  expect(sections.toSorted()).toEqual(types.toSorted());
  for (const section of frames.split(/^#### /m).slice(1)) {
    expect(section).toContain("| member");
    const [, example] = /```json\n(.+)\n```/.exec(section) ?? [];
    expect((section.split("\n")[0] ?? "").split(", ")).toContain(JSON.parse(example ?? "{}").t);
  }
});

test("every name of a code in the specification is one of the table", () => {
  const prose = spec.slice(0, spec.indexOf("## 8."));
  const names = [...prose.matchAll(/`([a-z]+_[a-z_]+)`/g)]
    .map(([, name]) => name as string)
    .filter((name) => !name.startsWith("__"));
  expect(names.length).toBeGreaterThan(20);
  for (const name of names) expect(CODES).toHaveProperty(name);
});
