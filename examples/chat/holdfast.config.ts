// Owns: the contract of the chat example: rooms with a history, who may say what.
import { defineContract } from "@holdfast/contract";
import { z } from "zod";

export default defineContract({
  channels: {
    "chat:{room}": {
      payload: z.object({ name: z.string().min(1).max(32), text: z.string().min(1).max(1000) }),
    },
  },
});
