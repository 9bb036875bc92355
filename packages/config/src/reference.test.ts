// Checks that the page of options is in step with the table.
import { expect, test } from "bun:test";
import { optionRows, optionsReference } from "./index.ts";

test("docs/reference/options.md is what the table says", async () => {
  const page = await Bun.file(
    new URL("../../../docs/reference/options.md", import.meta.url),
  ).text();
  expect(page).toBe(optionsReference());
});

test("the page names every option and every variable once", () => {
  const page = optionsReference();
  for (const { name, env } of optionRows()) {
    expect(page.split(`| \`${name}\` |`)).toHaveLength(2);
    expect(page.split(`\`${env}\``)).toHaveLength(2);
  }
});
