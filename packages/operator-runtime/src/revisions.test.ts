import { expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import { revisionOf } from "@holdfast/operator";
import { type Owner, replicaSetManifest } from "./manifests.ts";
import { Revisions } from "./revisions.ts";
import { updatedRevisionOf } from "./set-scene.ts";

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

test("what a webhook adds to a ReplicaSet makes no other revision", () => {
  const own = template("a:1");
  const revision = revisionOf(own);
  const owner: Owner = {
    ...{ name: "rt", namespace: "shop", uid: "u", selector: {}, revision },
    template: own as Json,
  };
  const made = replicaSetManifest(owner, revision, 3);
  const injected = template("mesh:9");
  const stored = { ...made, spec: { ...(made.spec as Json), template: injected } };
  expect(updatedRevisionOf(owner, [stored], new Revisions())).toBe(revision);
});
