import { expect, test } from "bun:test";
import { revisionOf } from "@holdfast/operator";
import { Revisions } from "./revisions.ts";

const template = (image: string) => ({ spec: { containers: [{ name: "a", image }] } });

test("a template that is known has the revision that its hash says", () => {
  const revisions = new Revisions();
  for (const image of ["a:1", "a:1", "a:2", "a:1"]) {
    const one = template(image);
    expect(revisions.ofText(one)).toBe(revisionOf(one));
    expect(revisions.ofObject(one)).toBe(revisionOf(one));
    expect(revisions.ofObject(one)).toBe(revisionOf(one));
  }
  expect(revisions.ofObject(undefined)).toBe(revisionOf(undefined));
});
