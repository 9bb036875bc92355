// Checks that the page of options is in step with the table.
import { expect, test } from "bun:test";
import { optionRows } from "@holdfast/config";
import { NODE_OPTIONS, nodeOptionsReference } from "./index.ts";

test("docs/reference/options.md is what the table says", async () => {
  const page = await Bun.file(
    new URL("../../../../docs/reference/options.md", import.meta.url),
  ).text();
  expect(page).toBe(nodeOptionsReference());
});

test("the page names every option and every variable once", () => {
  const page = nodeOptionsReference();
  for (const { name, env } of optionRows(NODE_OPTIONS)) {
    expect(page.split(`| \`${name}\` |`)).toHaveLength(2);
    expect(page.split(`\`${env}\``)).toHaveLength(2);
  }
});
