// Owns: the contract: which channels there are, what goes through them, and who may do what.
import { defineContract } from "@holdfast/contract";
import { z } from "zod";

export default defineContract({
  channels: {
    "chat:{room}": {
      payload: z.object({ text: z.string().trim().min(1).max(500) }),
      presence: true,
      presenceData: z.object({ name: z.string().max(32) }),
      history: { size: 200, ttlMs: 24 * 60 * 60 * 1000 },
      permissions: {
        subscribe: "authenticated",
        publish: "authenticated",
        presence: "authenticated",
        history: "authenticated",
      },
    },
  },
});
