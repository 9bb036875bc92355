// Owns: the leaderboard's page: the newest board, drawn whenever one comes.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const list = document.querySelector("#best");
const status = document.querySelector("#goals");
const holdfast = new Holdfast<typeof contract>("ws://localhost:8000/connect");

holdfast.channel("board:arena").subscribe(
  ({ data: { best, goals } }) => {
    const most = best[0]?.count ?? 1;
    list?.replaceChildren(...best.map(({ value, count }) => row(value, count, most)));
    if (status) status.textContent = `${goals.toLocaleString("en")} goals of all players`;
  },
  { last: 1 },
);

function row(player: string, count: number, most: number): HTMLLIElement {
  const bar = document.createElement("i");
  bar.style.width = `${(100 * count) / most}%`;
  const item = document.createElement("li");
  item.append(
    bar,
    ...[player, String(count)].map((words) =>
      Object.assign(document.createElement("span"), { textContent: words }),
    ),
  );
  return item;
}
