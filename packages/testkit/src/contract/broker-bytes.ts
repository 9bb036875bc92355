// Owns: contract tests of answers that are bounded by bytes: pages of history and of members.
import { describe, expect, test } from "bun:test";
import type { StreamOptions } from "@holdfast/contract";
import type { Broker, MembersPage, PresenceMember } from "@holdfast/core";
import {
  type Bench,
  json,
  LATEST,
  ORDERED,
  offsetsOf,
  Recorder,
  range,
  textOf,
} from "./broker-harness.ts";

const DATA_BYTES = 10_000;
const PAGE_BYTES = 64_000;
/** What a publication may count besides its data. */
const EXTRA_BYTES = 200;

export function describeBytes(bench: () => Bench): void {
  describe("pages by bytes", () => {
    describeHistoryPages(bench);
    describeRoom(bench);
    describeMemberPages(bench);
  });
}

const big = (index: number) => json(`${index}:${"x".repeat(DATA_BYTES)}`);

async function fill(broker: Broker, stream: StreamOptions, count: number): Promise<void> {
  for (const index of range(1, count))
    await broker.publish("c", stream, { payload: big(index), key: `k${index}` });
}

/** A broker that gives parties shares of its room itself need not tell these. */
function describeRoom(bench: () => Bench): void {
  for (const stream of [ORDERED, LATEST])
    test(`${stream.cls}: a publication tells its bytes, and what had to go for it if that is asked`, async () => {
      const broker = await bench().connect("n1");
      if (broker.sharesRoom) return;
      const small = { ...stream, sizeMax: 2 };
      const publish = (index: number, measured = true) =>
        broker.publish("c", small, {
          payload: big(index),
          key: `k${index}`,
          ...(measured ? { measured: true } : {}),
        });
      const [first, second] = [await publish(1), await publish(2)];
      expect([first.displaced, second.displaced]).toEqual([undefined, undefined]);
      expect(first.bytes).toBeGreaterThan(DATA_BYTES);
      await bench().harness.advance(20);
      const third = await publish(3);
      expect(third.displaced?.bytes).toBe(first.bytes as number);
      expect(third.displaced?.ageMs).toBeGreaterThanOrEqual(10);
      // What is not asked is not told.
      expect((await publish(4, false)).displaced).toBeUndefined();
      // The same key: of a latest channel its value goes, of a ring the oldest.
      expect((await publish(4)).displaced?.bytes).toBe(third.bytes as number);
      expect((await broker.history("c", small, { after: 0, limit: 5 })).publications).toHaveLength(
        2,
      );
    });
}

type Query = Parameters<Broker["history"]>[2];

function describeHistoryPages(bench: () => Bench): void {
  /** Reads with the query for each position; checks what every page has to be. */
  async function readAll(
    broker: Broker,
    stream: StreamOptions,
    next: (offsets: readonly number[]) => Query,
  ): Promise<number[][]> {
    const pages: number[][] = [];
    for (let more = true; more && pages.length < 50; ) {
      const page = await broker.history("c", stream, next(pages.at(-1) ?? []));
      const bytes = page.publications.reduce(
        (sum, { payload }) => sum + textOf(payload).length + EXTRA_BYTES,
        0,
      );
      expect(bytes).toBeLessThanOrEqual(PAGE_BYTES + EXTRA_BYTES * page.publications.length);
      // A page that ends early does so because the next one does not fit.
      if (page.more) expect(bytes).toBeGreaterThan(PAGE_BYTES - 2 * DATA_BYTES);
      pages.push(offsetsOf(page.publications));
      more = page.more;
    }
    return pages;
  }

  for (const stream of [ORDERED, LATEST]) {
    test(`${stream.cls}: a page forward ends at its bytes, says that there is more, and the next one goes on`, async () => {
      const broker = await bench().connect("n1");
      await fill(broker, stream, 40);
      const pages = await readAll(broker, stream, (offsets) => ({
        after: offsets.at(-1) ?? 0,
        limit: 1_000,
        bytesMax: PAGE_BYTES,
      }));
      expect(pages.length).toBeGreaterThan(6);
      expect(pages.flat()).toEqual(range(1, 40));
    });

    test(`${stream.cls}: a page backward ends at its bytes with the newest, and the next one goes on`, async () => {
      const broker = await bench().connect("n1");
      await fill(broker, stream, 40);
      const pages = await readAll(broker, stream, ([before]) => ({
        ...(before === undefined ? {} : { before }),
        limit: 1_000,
        bytesMax: PAGE_BYTES,
      }));
      expect(pages.length).toBeGreaterThan(6);
      expect(pages.reverse().flat()).toEqual(range(1, 40));
    });

    test(`${stream.cls}: a publication larger than the page is a page of its own`, async () => {
      const broker = await bench().connect("n1");
      await fill(broker, stream, 3);
      const read = async (query: Query) => {
        const { publications, more } = await broker.history("c", stream, query);
        return [offsetsOf(publications), more];
      };
      expect(await read({ after: 0, limit: 10, bytesMax: 1 })).toEqual([[1], true]);
      expect(await read({ after: 2, limit: 10, bytesMax: 1 })).toEqual([[3], false]);
      expect(await read({ limit: 10, bytesMax: 1 })).toEqual([[3], true]);
      expect(await read({ before: 2, limit: 10, bytesMax: 1 })).toEqual([[1], false]);
    });

    test(`${stream.cls}: a page at its limit says whether there is more`, async () => {
      const broker = await bench().connect("n1");
      await fill(broker, stream, 5);
      const more = async (query: Query) => (await broker.history("c", stream, query)).more;
      expect(await more({ after: 0, limit: 4 })).toBe(true);
      expect(await more({ after: 0, limit: 5 })).toBe(false);
      expect(await more({ after: 1, limit: 4 })).toBe(false);
      expect(await more({ after: 5, limit: 4 })).toBe(false);
      expect(await more({ limit: 4 })).toBe(true);
      expect(await more({ limit: 5 })).toBe(false);
      expect(await more({ before: 5, limit: 4 })).toBe(false);
      expect(await more({ before: 1, limit: 4 })).toBe(false);
    });
  }
}

const MEMBER_BYTES = 20_000;
const MEMBERS_PAGE_BYTES = 200_000;
/** A page may be over its bytes by this many members. */
const OVER_MAX = 16;

const member = (index: number): PresenceMember => ({
  member: `m${index}`,
  user: "ada",
  data: json("x".repeat(MEMBER_BYTES)),
});

function describeMemberPages(bench: () => Bench): void {
  async function enter(broker: Broker, indices: readonly number[]): Promise<void> {
    await Promise.all(
      indices.map((index) => broker.presence.enter("c", member(index), `n1/${index}`)),
    );
  }

  /** Reads every page; `between` runs after each. */
  async function readPages(
    broker: Broker,
    between: () => Promise<void> = async () => {},
  ): Promise<readonly MembersPage[]> {
    const pages: MembersPage[] = [];
    let cursor: string | undefined;
    do {
      const page = await broker.presence.members("c", {
        ...(cursor === undefined ? {} : { cursor }),
        bytesMax: MEMBERS_PAGE_BYTES,
      });
      pages.push(page);
      cursor = page.cursor;
      await between();
    } while (cursor !== undefined && pages.length < 100);
    return pages;
  }

  test("members come in pages of about the bytes that were asked for, and together they are all", async () => {
    const broker = await bench().connect("n1");
    await enter(broker, range(1, 60));
    const pages = await readPages(await bench().connect("n2"));
    for (const { members } of pages)
      expect(members.length * MEMBER_BYTES).toBeLessThan(
        MEMBERS_PAGE_BYTES + OVER_MAX * MEMBER_BYTES,
      );
    expect(pages.length).toBeGreaterThan(3);
    const found = new Map(pages.flatMap(({ members }) => members.map((one) => [one.member, one])));
    expect(found.size).toBe(60);
    expect(found.get("m7")).toEqual(member(7));
  });

  test("the pages of a channel without members are one, and empty", async () => {
    const broker = await bench().connect("n1");
    expect(await broker.presence.members("c")).toEqual({ members: [] });
  });

  test("who stays is in the pages while others come and go, and the changes told since give the rest", async () => {
    const [broker, other] = [await bench().connect("n1"), await bench().connect("n2")];
    const recorder = new Recorder();
    await other.subscribe("c", ORDERED, recorder);
    await enter(broker, range(1, 60));
    await bench().eventually(() => expect(recorder.changes.length).toBe(60));
    let next = 0;
    const pages = await readPages(other, async () => {
      next += 1;
      await broker.presence.leave("c", `m${60 - next}`, `n1/${60 - next}`, 0);
      await enter(broker, [100 + next]);
    });
    const left = range(1, next).map((index) => `m${60 - index}`);
    const found = new Map(pages.flatMap(({ members }) => members.map((one) => [one.member, one])));
    const stayed = range(1, 60).map((index) => `m${index}`);
    for (const id of stayed.filter((id) => !left.includes(id))) expect(found.has(id)).toBe(true);
    await bench().eventually(() => expect(recorder.changes.length).toBe(60 + 2 * next));
    for (const change of recorder.changes.slice(60)) {
      if (change.kind === "leave") found.delete(change.member);
      else found.set(change.member.member, change.member);
    }
    const expected = [
      ...stayed.filter((id) => !left.includes(id)),
      ...range(1, next).map((index) => `m${100 + index}`),
    ];
    expect([...found.keys()].sort()).toEqual(expected.sort());
  });
}
