// Owns: seeds that once found a fault in the engines, each with what it was. Each was seen to fail
// on the engines of today without its repair.
// A seed means what it means as long as the workload, the faults and the settings are drawn as they
// are; after a change there it is one more seed.
import { drainMicrotasks } from "bun:jsc";
import { expect, setDefaultTimeout, test } from "bun:test";
import { type Rule, runSeed } from "@holdfast/testkit/sim";
import { patience } from "../patience.ts";

setDefaultTimeout(patience(120_000));

interface Regression {
  readonly seeds: readonly number[];
  readonly rule: Rule;
  readonly story: string;
}

const REGRESSIONS: readonly Regression[] = [
  {
    seeds: [435],
    rule: "bug",
    story: "saying goodbye into a full queue ends the connection once, not without end",
  },
  {
    seeds: [120, 166],
    rule: "progress",
    story:
      "publishes that wait for the broker do not count as subscriptions or presence entries of their connection",
  },
  {
    seeds: [1159],
    rule: "H7",
    story: "an update under way on the old connection of a move does not take the membership back",
  },
  {
    seeds: [66, 117],
    rule: "progress",
    story: "a leave that failed is repeated, so that no ghost stays while the node lives",
  },
  {
    seeds: [150, 376],
    rule: "progress",
    story: "members whom the broker forgot are entered again when it is reached",
  },
  {
    seeds: [915],
    rule: "progress",
    story: "many subscriptions that come back at once do not fill their connection's queue",
  },
  { seeds: [746], rule: "H5", story: "a token ends when the node's wall clock is set right" },
  {
    seeds: [1379, 1922],
    rule: "H2",
    story:
      "a hole is mended in offset order when history has lost more than the feed's next publication",
  },
  {
    seeds: [1101, 1422],
    rule: "H2",
    story: "a late publication of a dead epoch does not lead subscribers back into it",
  },
  {
    seeds: [3011],
    rule: "progress",
    story: "clients whose tokens a node with a wrong clock refused do not wait for long afterwards",
  },
  {
    seeds: [107],
    rule: "H4",
    story: "nothing is read for a connection that has ended, whatever its subscriptions waited for",
  },
];

for (const { seeds, rule, story } of REGRESSIONS) {
  test(`${story} (${rule}, seeds ${seeds.join(" and ")})`, () => {
    for (const seed of seeds)
      expect(runSeed(seed, { settle: drainMicrotasks }).violations).toEqual([]);
  });
}
