// Owns: the contract of the telemetry example: the newest reading of each sensor of a device.
import { defineContract } from "@holdfast/contract";
import { z } from "zod";

export default defineContract({
  channels: {
    "telemetry:{device}": {
      class: "latest",
      payload: z.object({ value: z.number(), unit: z.string() }),
      history: { size: 100 },
    },
  },
});
