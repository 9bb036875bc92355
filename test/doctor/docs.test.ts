// Checks that every finding has its section in the documents, with the words of the catalogue, and that there is no section of none.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { CATALOGUE, DOCS_PAGE } from "@holdfast/kube";

const page = readFileSync(new URL(`../../${DOCS_PAGE}`, import.meta.url), "utf8");
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split("\n")[0] ?? "", section] as const),
);

test("the sections are the findings", () => {
  expect([...sections.keys()].sort()).toEqual(Object.keys(CATALOGUE).sort());
});

test.each(Object.entries(CATALOGUE))("%s: title, severity and consequence are the catalogue's", (id, entry) => {
  expect(sections.get(id)).toContain(`**${entry.title}** (${entry.severity}). ${entry.consequence}`);
});
