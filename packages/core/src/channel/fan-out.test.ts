import { expect, test } from "bun:test";
import type { PubFrame } from "@holdfast/protocol";
import { createManualClock } from "@holdfast/testkit";
import fc from "fast-check";
import { OWN } from "../session/codec-numbers.ts";
import { FanOut } from "./fan-out.ts";
import { outgoing } from "./ring.ts";
import type { Subscription } from "./subscription.ts";

const GROUP_FROM = 4;

/** A channel whose members note what reaches them, and how. */
function stage() {
  const clock = createManualClock();
  const members = new Set<Member>();
  const published = { groups: 0, bytes: 0 };
  const fanOut = new FanOut("chat:a", {
    clock,
    groups: {
      publish(group, message) {
        published.groups += 1;
        for (const member of members) if (member.groups.has(group)) member.got.push(`${message}`);
      },
    },
    groupBytes: {
      published: (_fanOut, bytes) => {
        published.bytes += bytes;
      },
    },
  });
  const member = (codecNumber: number): Member => {
    const groups = new Set<string>();
    const got: string[] = [];
    const encode = (frame: { t: string; o?: number }): string => `${codecNumber}:${nameOf(frame)}`;
    const connection = {
      codecNumber,
      codec: { encode },
      enqueue: (message: string) => got.push(message),
      push: (frame: PubFrame) => got.push(encode(frame)),
      flush() {},
      link: {
        join: (group: string) => void groups.add(group),
        leave: (group: string) => void groups.delete(group),
      },
    };
    const subscription = { index: -1, part: -1, connection } as unknown as Subscription;
    const made = { subscription, groups, got, codecNumber };
    members.add(made);
    return made;
  };
  return { fanOut, clock, member, published };
}
interface Member {
  readonly subscription: Subscription;
  readonly groups: Set<string>;
  readonly got: string[];
  readonly codecNumber: number;
}
const nameOf = (frame: { t: string; o?: number }): string => `${frame.t} ${frame.o ?? ""}`;
const publication = (offset: number) =>
  outgoing({ offset, timeMs: 0, payload: { kind: "json", text: "1" } });

test("each live member gets everything once, in order, in its codec, by itself or through a group", () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(OWN, 1, 3) },
    { weight: 3, arbitrary: fc.record({ leaves: fc.nat(30) }) },
    { weight: 3, arbitrary: fc.constantFrom("pub" as const, "gap" as const) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: "max" }), (steps) => {
      const { fanOut, clock, member } = stage();
      const here: { one: Member; want: string[] }[] = [];
      const gone: typeof here = [];
      let offset = 0;
      for (const does of steps) {
        if (typeof does === "number") {
          const one = member(does);
          fanOut.add(one.subscription, GROUP_FROM);
          here.push({ one, want: [] });
        } else if (typeof does === "object") {
          const [left] = here.splice(does.leaves % Math.max(1, here.length), 1);
          if (left === undefined) continue;
          fanOut.remove(left.one.subscription, GROUP_FROM);
          gone.push(left);
        } else if (does === "pub") {
          offset += 1;
          fanOut.deliver(publication(offset));
          for (const { one, want } of here) want.push(`${one.codecNumber}:pub ${offset}`);
        } else {
          fanOut.announce({ t: "gap" } as never);
          for (const { one, want } of here) want.push(`${one.codecNumber}:gap `);
        }
        clock.flush();
        expect(fanOut.count).toBe(here.length);
        const visited = new Set<Subscription>();
        fanOut.visit((subscription) => void visited.add(subscription));
        expect(visited).toEqual(new Set(here.map(({ one }) => one.subscription)));
        for (const { one, want } of [...here, ...gone]) expect(one.got).toEqual(want);
        for (const { one } of gone) expect(one.groups.size).toBe(0);
      }
    }),
  );
});

test("a codec's members go through a group from their number on, until half of them have left", () => {
  const { fanOut, clock, member, published } = stage();
  const members = [1, 1, 1, 1].map(member);
  const joined = () => members.filter(({ groups }) => groups.size > 0).length;
  for (const { subscription } of members.slice(0, 3)) fanOut.add(subscription, GROUP_FROM);
  clock.flush();
  expect(joined()).toBe(0);
  fanOut.deliver(publication(1));
  expect(published).toEqual({ groups: 0, bytes: 0 });
  fanOut.add((members[3] as Member).subscription, GROUP_FROM);
  clock.flush();
  expect(joined()).toBe(4);
  fanOut.deliver(publication(2));
  expect(published).toEqual({ groups: 1, bytes: "1:pub 2".length });
  fanOut.remove((members[0] as Member).subscription, GROUP_FROM);
  expect(joined()).toBe(3);
  fanOut.remove((members[1] as Member).subscription, GROUP_FROM);
  clock.flush();
  expect(joined()).toBe(0);
  fanOut.deliver(publication(3));
  expect(published.groups).toBe(1);
  expect(members.map(({ got }) => got.length)).toEqual([2, 2, 3, 2]);
});

test("members that have codecs of their own are never a group", () => {
  const { fanOut, clock, member, published } = stage();
  const members = Array.from({ length: 3 * GROUP_FROM }, () => member(OWN));
  for (const { subscription } of members) fanOut.add(subscription, GROUP_FROM);
  clock.flush();
  fanOut.deliver(publication(1));
  expect(published.groups).toBe(0);
  for (const { got } of members) expect(got).toEqual([`${OWN}:pub 1`]);
});

test("a publication is encoded once for all who share a codec", () => {
  const { fanOut, member } = stage();
  const [one, two] = [member(2), member(2)];
  for (const { subscription } of [one, two]) fanOut.add(subscription, 100);
  const entry = publication(1);
  fanOut.deliver(entry);
  expect(entry.encoded).toEqual([undefined, undefined, "2:pub 1"]);
  entry.encoded[2] = "kept";
  fanOut.deliver(entry);
  expect(two.got).toEqual(["2:pub 1", "kept"]);
});
