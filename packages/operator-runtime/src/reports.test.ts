// Checks which ends of processes count as crashes of those who were connected.
import { expect, test } from "bun:test";
import { FeltCounts } from "./felt-counts.ts";
import type { SeenPod } from "./objects.ts";
import { type PlaneAnswer, PlaneError, type Planes } from "./plane.ts";
import { Reports } from "./reports.ts";

const pod = (more: Partial<SeenPod> = {}): SeenPod => ({
  ...{ name: "a", uid: "a", resourceVersion: "1", revision: "new", phase: "Running" },
  ...{ isReady: true, isTerminating: false, createdAtMs: 0, deletionCost: 0 },
  ...{ isProtected: true, receives: true, address: "10.0.0.1" },
  ...more,
});
const ordered = pod({
  mark: {
    ...{ wants: "drain", token: 5, cause: "release", windowMs: 1000, preDelayMs: 0 },
    orderedAtMs: 0,
  },
});

const answer = (run: string, state: "ready" | "draining", sessions: number): PlaneAnswer => ({
  run,
  report: { state, sessions, fixedSockets: 0, connectionsMax: 100, fence: 0 },
  felt: {
    ...{ connectionMinutes: 1, resumes: 0, lost: 0, slow: 0, resumesFailed: 0 },
    closedAbnormally: 0,
  },
});

/** Crashes that a set counts that hears this, one answer a second. */
async function crashesOf(
  ...heard: readonly (readonly [SeenPod, PlaneAnswer])[]
): Promise<number | undefined> {
  const felt = new FeltCounts();
  let nowMs = 0;
  let next: PlaneAnswer | undefined;
  const planes: Planes = {
    ask: async () => next as PlaneAnswer,
    ...{ drain: async () => {}, serve: async () => {}, shed: async () => {} },
  };
  const reports = new Reports({ nowMs: () => nowMs, felt, asked: () => {} });
  for (const [seen, said] of heard) {
    next = said;
    await reports.round([seen], planes);
    felt.since("step", "new", "old");
    nowMs += 1000;
  }
  return felt.since("step", "new", "old")?.canary.bad.crashes;
}

test("a process that is there anew has taken those along who were connected", async () => {
  expect(await crashesOf([pod(), answer("1", "ready", 25)], [pod(), answer("2", "ready", 0)])).toBe(
    25,
  );
});

test("a process that its kubelet kills has too, though it drains in its last seconds", async () => {
  const drains = [
    [pod(), answer("1", "draining", 20)],
    [pod(), answer("1", "draining", 1)],
  ] as const;
  const restarted = [pod(), answer("2", "ready", 0)] as const;
  expect(await crashesOf([pod(), answer("1", "ready", 25)], ...drains, restarted)).toBe(25);
});

test("a process that ends behind its ordered drain has taken nobody along", async () => {
  const restarted = [ordered, answer("2", "ready", 0)] as const;
  expect(
    await crashesOf(
      [pod(), answer("1", "ready", 25)],
      [ordered, answer("1", "draining", 3)],
      restarted,
    ),
  ).toBe(0);
  const goes = pod({ isTerminating: true });
  expect(
    await crashesOf(
      [pod(), answer("1", "ready", 25)],
      [goes, answer("1", "draining", 3)],
      [goes, answer("2", "ready", 0)],
    ),
  ).toBe(0);
});

/** A thousand pods; each answer takes as long as a test lets it. */
function thousand() {
  const pods = Array.from({ length: 1000 }, (_, at) => pod({ name: `p${at}`, uid: `p${at}` }));
  const open: (() => void)[] = [];
  let atOnce = 0;
  let atOnceMax = 0;
  const planes: Planes = {
    ask: async () => {
      atOnce += 1;
      atOnceMax = Math.max(atOnceMax, atOnce);
      await new Promise<void>((resolve) => open.push(resolve));
      atOnce -= 1;
      return answer("1", "ready", 1);
    },
    ...{ drain: async () => {}, serve: async () => {}, shed: async () => {} },
  };
  const answerAll = async (): Promise<void> => {
    while (open.length > 0) {
      for (const one of open.splice(0)) one();
      for (let i = 0; i < 10; i++) await undefined;
    }
  };
  return { pods, planes, answerAll, atOnceMax: () => atOnceMax };
}

test("one look asks all of a thousand pods, 32 at a time", async () => {
  const { pods, planes, answerAll, atOnceMax } = thousand();
  const reports = new Reports({ nowMs: () => 0, felt: new FeltCounts(), asked: () => {} });
  const round = reports.round(pods, planes);
  // Another look meanwhile asks nobody twice, and no more at a time.
  const next = reports.round(pods, planes);
  await answerAll();
  await Promise.all([round, next]);
  expect(pods.filter(({ uid }) => reports.of(uid) === undefined)).toEqual([]);
  expect(atOnceMax()).toBe(32);
});

test("a pod that went is not asked, and its late answer is not kept", async () => {
  const { pods, planes, answerAll } = thousand();
  let answers = 0;
  const asked = () => {
    answers += 1;
  };
  const reports = new Reports({ nowMs: () => 0, felt: new FeltCounts(), asked });
  const round = reports.round(pods, planes);
  await reports.round([], planes);
  await answerAll();
  await round;
  expect(answers).toBe(32);
  expect(pods.filter(({ uid }) => reports.of(uid) !== undefined)).toEqual([]);
});

/** A thousand pods by a clock of the test's. A third answers only after 3 s that it does not. */
function thirdIsSilent() {
  const pods = Array.from({ length: 1000 }, (_, at) => pod({ name: `p${at}`, uid: `p${at}` }));
  const silent = new Set(pods.filter((_, at) => at % 3 === 0).map(({ uid }) => uid));
  const asked = new Map<string, number>();
  const ends: { readonly atMs: number; readonly end: () => void }[] = [];
  let nowMs = 0;
  let [atOnce, atOnceMax] = [0, 0];
  const planes: Planes = {
    ask: async ({ uid }) => {
      asked.set(uid, (asked.get(uid) ?? 0) + 1);
      atOnceMax = Math.max(atOnceMax, ++atOnce);
      const isSilent = silent.has(uid);
      const atMs = nowMs + (isSilent ? 3000 : 30);
      await new Promise<void>((resolve) => ends.push({ atMs, end: resolve }));
      atOnce -= 1;
      if (isSilent) throw new PlaneError("unreachable", "silent");
      return answer("1", "ready", 1);
    },
    ...{ drain: async () => {}, serve: async () => {}, shed: async () => {} },
  };
  const reports = new Reports({ nowMs: () => nowMs, felt: new FeltCounts(), asked: () => {} });
  const oldest = (which: boolean): number =>
    Math.max(
      ...pods
        .filter(({ uid }) => silent.has(uid) === which)
        .map(({ uid }) => reports.of(uid)?.ageMs ?? Number.POSITIVE_INFINITY),
    );
  /** The oldest report of a pod that answers, at the end of each second. */
  const pass = async (seconds: number, seen: readonly SeenPod[] = pods): Promise<number> => {
    let most = 0;
    for (let second = 0; second < seconds; second++) {
      void reports.round(seen, planes);
      for (let step = 0; step < 100; step++) {
        nowMs += 10;
        for (const { end } of ends.filter(({ atMs }) => atMs <= nowMs)) end();
        ends.splice(0, ends.length, ...ends.filter(({ atMs }) => atMs > nowMs));
        for (let i = 0; i < 10; i++) await undefined;
      }
      most = Math.max(most, oldest(false));
    }
    return most;
  };
  return { pods, silent, asked, reports, pass, atOnceMax: () => atOnceMax };
}

test("a third of the pods that is silent keeps nobody else waiting, and is heard again", async () => {
  const { silent, asked, pass, atOnceMax } = thirdIsSilent();
  await pass(10);
  asked.clear();
  expect(await pass(60)).toBeLessThan(3000);
  const times = [...silent].map((uid) => asked.get(uid) ?? 0);
  // Each has its turn, and none is asked as often as those who answer.
  expect(Math.min(...times)).toBeGreaterThan(0);
  expect(Math.max(...times)).toBeLessThan(9);
  expect(atOnceMax()).toBeLessThanOrEqual(256);
  silent.clear();
  await pass(12);
  expect(await pass(2)).toBeLessThan(3000);
});

test("a silent pod that becomes ready is asked at once", async () => {
  const { pods, silent, asked, pass } = thirdIsSilent();
  const some = pods.slice(0, 10).map((one) => ({ ...one, isReady: !silent.has(one.uid) }));
  await pass(30, some);
  silent.clear();
  asked.clear();
  await pass(1, pods.slice(0, 10));
  expect([...asked.keys()].sort()).toEqual(some.map(({ uid }) => uid).sort());
});
