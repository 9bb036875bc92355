// Checks that the values which `npm create holdfast` writes are values of this chart.
import { expect, test } from "bun:test";
import { conformity, lint, objects } from "./helm.ts";

const source = { file: "apps/create-holdfast/template/deploy/values.yaml" };

test("the values of a created project render, without a word of the linter", async () => {
  const rendered = await objects(source);
  const kinds = rendered.map(({ kind }) => kind);
  expect(kinds).toContain("Deployment");
  expect(kinds).toContain("Ingress");
  expect((await lint(source)).ok).toBe(true);
  expect((await conformity(rendered)).invalid).toEqual([]);
});
