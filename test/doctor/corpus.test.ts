// Checks the doctor on manifests: what it finds in bad ones, that it finds nothing in good ones,
// that its patches mend what they say.
import { describe, expect, test } from "bun:test";
import { CATALOGUE, type Finding } from "@holdfast/doctor";
import type { KubeObject } from "@holdfast/kube";
import { brief, casesOf, findingsIn, objectsOf } from "./corpus.ts";
import { EXPECTED } from "./expected.ts";
import { apply } from "./kubectl-patch.ts";

const BAD = casesOf("bad");

describe("a bad manifest", () => {
  test.each(BAD.map((one) => [one.name, one] as const))(
    "%s: exactly what is expected, each at its line",
    (name, one) => {
      expect(findingsIn(objectsOf(one)).map(brief)).toEqual([...(EXPECTED[name] ?? [])]);
    },
  );

  test("is there for every finding of the catalogue", () => {
    const found = new Set(BAD.flatMap((one) => findingsIn(objectsOf(one)).map(({ id }) => id)));
    expect(
      Object.keys(CATALOGUE).filter((id) => ![...found].some((known) => known === id)),
    ).toEqual([]);
  });
});

describe("a good manifest", () => {
  test.each(casesOf("good").map((one) => [one.name, one] as const))(
    "%s: nothing but what may be said of it",
    (name, one) => {
      expect(findingsIn(objectsOf(one)).map(brief)).toEqual([...(EXPECTED[name] ?? [])]);
    },
  );
});

const same = (a: Finding) => (b: Finding) =>
  a.id === b.id && a.object.name === b.object.name && a.found === b.found;
const errorsOf = (findings: readonly Finding[]) =>
  findings
    .filter(({ severity }) => severity === "error")
    .map(({ id, object }) => `${id} ${object.kind}/${object.name}`);

describe("the patch of a finding", () => {
  const patched = BAD.flatMap((one) => {
    const objects = objectsOf(one);
    return findingsIn(objects).flatMap((found) =>
      found.patch === undefined ? [] : [{ one, objects, found, patch: found.patch }],
    );
  });

  test("is there for most findings", () => {
    // What happens in a cluster is in no manifest that a patch could change, and only its author
    // knows what a field that nobody can read should say.
    const happens: readonly string[] = [
      ...["pods-together", "set-unprotected", "set-stalled", "release-stuck"],
      ...["operator-missing", "crd-old", "set-invalid"],
      // A gateway's file is one text to kubectl.
      ...["gateway-port", "gateway-profile-none"],
    ];
    const all = BAD.flatMap((one) => findingsIn(objectsOf(one))).filter(
      ({ id }) => !happens.includes(id),
    );
    expect(patched.length / all.length).toBeGreaterThan(0.8);
  });

  test.each(patched.map((entry) => [`${entry.one.name}: ${brief(entry.found)}`, entry] as const))(
    "%s makes it vanish, and brings no new error",
    (_name, { objects, found, patch }) => {
      const before = findingsIn(objects);
      const after = findingsIn(apply(objects, patch));
      expect(after.filter(same(found)).map(brief)).toEqual([]);
      expect(errorsOf(after).filter((error) => !errorsOf(before).includes(error))).toEqual([]);
    },
  );
});

/** More rounds than any case needs: a patch may uncover what stood behind it. */
const ROUNDS_MAX = 40;

test.each(BAD.map((one) => [one.name, one] as const))(
  "%s: one patch after the other leaves only what no patch can mend",
  (_name, one) => {
    let objects: readonly KubeObject[] = objectsOf(one);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const next = findingsIn(objects).find(({ patch }) => patch !== undefined);
      if (next?.patch === undefined) break;
      objects = apply(objects, next.patch);
    }
    expect(
      findingsIn(objects)
        .filter(({ patch }) => patch !== undefined)
        .map(brief),
    ).toEqual([]);
  },
);
