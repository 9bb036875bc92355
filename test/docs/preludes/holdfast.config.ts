// Owns: the contract that the samples of the guides share, if a page has no own contract.
import { defineContract, RejectedError } from "@holdfast/contract";
import { z } from "zod";

export default defineContract({
  channels: {
    "chat:{room}": {
      payload: z.object({ text: z.string().max(2000) }),
      presence: true,
      presenceData: z.object({ name: z.string(), typing: z.boolean().optional() }),
    },
    "cursor:{board}": { class: "volatile", payload: z.object({ x: z.number(), y: z.number() }) },
    "sensor:{site}": { class: "latest", payload: z.object({ celsius: z.number() }) },
  },
  rpc: {
    sum: {
      input: z.object({ a: z.number(), b: z.number() }),
      output: z.number(),
      handler: ({ a, b }) => a + b,
    },
    order: {
      input: z.object({ item: z.string() }),
      output: z.object({ id: z.string() }),
      handler: ({ item }) => {
        if (item === "moon") throw new RejectedError("The moon is not for sale");
        return { id: `${item}-1` };
      },
    },
  },
});
