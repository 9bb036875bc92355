// Owns: the contract of the leaderboard: goals go in, and each second the best of the last minute
// come out.
import { defineContract } from "@holdfast/contract";
import { channel, count, from, hopping, pipeline, topK } from "@holdfast/pipelines";
import { z } from "zod";

const Goal = z.object({ player: z.string().min(1).max(32) });

/** What a board's channel has. `count` may be too high by `error` at most. */
export const Board = z.object({
  toMs: z.number(),
  best: z.array(z.object({ value: z.string(), count: z.number(), error: z.number() })),
  goals: z.number(),
});

const boards = pipeline(from("goals:{game}", Goal))
  .window(
    hopping("60s", "1s", {
      key: (_goal, { params }) => ({ game: params.game }),
      // A game in which nobody shoots holds the other games back for so long.
      idle: "2s",
    }),
  )
  .aggregate({ best: topK(10, (goal) => goal.player), goals: count() })
  .to(channel("board:{game}"));

export default defineContract({
  channels: {
    "goals:{game}": { payload: Goal, permissions: { publish: "anyone", subscribe: "nobody" } },
    "board:{game}": {
      payload: Board,
      history: { size: 60, ttlMs: 600_000 },
      permissions: { subscribe: "anyone", history: "anyone", publish: "nobody" },
    },
  },
  pipelines: { boards },
});
