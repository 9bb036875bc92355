// Owns: simulated players: each shoots goals, the first ones more often than the last ones, until
// the program is ended.
import { Holdfast } from "@holdfast/client";
import type contract from "./holdfast.config.ts";

const [url = "ws://localhost:8000/connect", count = "200", everyMs = "20"] = process.argv.slice(2);
const goals = new Holdfast<typeof contract>(url).channel("goals:arena");
for (;;) {
  const rank = Math.floor(Number(count) * Math.random() ** 3);
  // The phase moves, so that the best change.
  const player = `p${(rank + Math.floor(Date.now() / 20_000)) % Number(count)}`;
  await goals.publish({ player });
  await new Promise((resolve) => setTimeout(resolve, Number(everyMs)));
}
