import { expect, test } from "bun:test";
import { sleep } from "bun";
import { patience } from "../../../../test/patience.ts";
import { type Heard, type Line, Talker } from "./talker.ts";

/** A client whose server answers as the test says. */
function talking(answer: (number: number, heard: Heard) => void, hearsFromFirst = true) {
  let heard: Heard | undefined;
  let said = 0;
  const line: Line = {
    ...{ isOpen: true, hearsFromFirst },
    async open(to) {
      heard = to;
    },
    say(number) {
      said = number;
      if (heard !== undefined) answer(number, heard);
    },
    close() {},
  };
  const talker = new Talker(line, { id: 7, everyMs: 1 });
  return {
    talker,
    heard: () => heard as Heard,
    async until(count: number): Promise<void> {
      const untilMs = performance.now() + patience(5000);
      while (said < count && performance.now() < untilMs) await sleep(1);
    },
  };
}

test("every frame has an answer, no answer, or one too many", async () => {
  const { talker, until } = talking((number, heard) => {
    if (number === 2) return;
    if (number === 3) heard.told(number);
    else heard.answer(number);
    if (number === 4) heard.answer(number);
  });
  await talker.open();
  talker.begin();
  await until(5);
  const account = await talker.account(0);
  expect(account).toMatchObject({ told: 1, unanswered: 1, doubled: 1, missing: ["7 2"] });
  expect(account.answered).toBe(account.sent - 2);
  talker.close();
});

test("an answer that is late by a step is none that came twice; a closed socket's is lost", async () => {
  const { talker, heard, until } = talking((number, to) => {
    if (number === 1) return;
    if (number === 3) return to.closed(1012);
    if (number === 5) to.answer(1);
    to.answer(number);
  });
  await talker.open();
  talker.begin();
  await until(4);
  expect(await talker.account(0)).toMatchObject({
    ...{ unanswered: 2, missing: ["7 1", "7 3"], closes: { 1012: 1 } },
  });
  talker.begin();
  await until(6);
  expect(await talker.account(0)).toMatchObject({ unanswered: 0, doubled: 0 });
  heard().answer(6);
  talker.close();
});

test("what servers send is counted by home: between two numbers nothing may be missing", async () => {
  const { talker, heard } = talking(() => {});
  await talker.open();
  talker.begin();
  for (const [home, number] of [
    ["a", 1],
    ["b", 1],
    ["a", 2],
    ["b", 3],
    ["a", 2],
    ["c", 2],
  ] as const)
    heard().push(home, number);
  heard().anew();
  heard().push("a", 1);
  expect(await talker.account(0)).toMatchObject({
    ...{ pushed: 7, pushesWrong: 3, pushesTwice: 1, anew: 1 },
  });
  talker.close();
});

test("a home that is heard later may begin anywhere", async () => {
  const { talker, heard } = talking(() => {}, false);
  await talker.open();
  talker.begin();
  for (const number of [5, 6, 8]) heard().push("a", number);
  expect(await talker.account(0)).toMatchObject({ pushed: 3, pushesWrong: 1 });
  talker.close();
});
