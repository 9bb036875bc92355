import { expect, test } from "bun:test";
import type { Change } from "@holdfast/kube";
import { SetIndex } from "./set-index.ts";

const pod = (name: string, set?: string, type: Change["type"] = "changed"): Change => ({
  type,
  object: {
    metadata: {
      ...{ name, namespace: "live" },
      labels: set === undefined ? {} : { "holdfast.dev/set": set },
    },
  },
});

test("an object whose label changes leaves its old set", () => {
  const index = new SetIndex();
  expect(index.take(pod("a", "one"))).toBe("live/one");
  expect(index.take(pod("a", "two"))).toBe("live/two");
  expect(index.of("live", "one")).toEqual([]);
  expect(index.of("live", "two")).toHaveLength(1);
});

test("an object that is gone leaves the set that it was in, whatever it says last", () => {
  const index = new SetIndex();
  index.take(pod("a", "one"));
  expect(index.take(pod("a", undefined, "removed"))).toBe("live/one");
  expect(index.of("live", "one")).toEqual([]);
});
