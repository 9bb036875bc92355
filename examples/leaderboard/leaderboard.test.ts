// Owns: a check that the leaderboard works as its README says: goals go in, the best come out.
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { Holdfast } from "@holdfast/client";
import { patience } from "../../test/patience.ts";
import { exampleNode } from "../example-node.ts";
import contract, { type Board } from "./holdfast.config.ts";

setDefaultTimeout(patience(30_000));

type Shown = ReturnType<typeof Board.parse>;

test("each second the board has the best of a game, and of no other; a newcomer gets the newest", async () => {
  await using node = await exampleNode(contract);
  const client = new Holdfast<typeof contract>(node.url);
  const boards: Shown[] = [];
  await client.channel("board:chess").subscribe(({ data }) => boards.push(data)).ready;
  for (const [player, goals] of [
    ["ada", 5],
    ["grace", 3],
    ["alan", 1],
  ] as const)
    for (let n = 0; n < goals; n++) await client.channel("goals:chess").publish({ player });
  await client.channel("goals:go").publish({ player: "somebody else" });
  while (boards.at(-1)?.goals !== 9) await Bun.sleep(50);
  expect(boards.at(-1)?.best.map(({ value, count }) => [value, count])).toEqual([
    ["ada", 5],
    ["grace", 3],
    ["alan", 1],
  ]);
  const newcomer = new Holdfast<typeof contract>(node.url);
  const late = Promise.withResolvers<Shown>();
  newcomer.channel("board:chess").subscribe(({ data }) => late.resolve(data), { last: 1 });
  expect((await late.promise).goals).toBeLessThanOrEqual(9);
  await Promise.all([client.close(), newcomer.close()]);
});

test("players shoot until they are ended", async () => {
  await using node = await exampleNode(contract);
  const players = Bun.spawn([process.execPath, join(import.meta.dir, "players.ts"), node.url], {
    ...{ stdin: "ignore", stdout: "ignore", stderr: "inherit" },
  });
  const client = new Holdfast<typeof contract>(node.url);
  const board = Promise.withResolvers<Shown>();
  client.channel("board:arena").subscribe(({ data }) => {
    if (data.best.length === 10) board.resolve(data);
  });
  const { best, goals } = await board.promise;
  expect(goals).toBeGreaterThanOrEqual(10);
  expect(best.map(({ count }) => count)).toEqual(
    best.map(({ count }) => count).toSorted((a, b) => b - a),
  );
  players.kill();
  await players.exited;
  await client.close();
});
