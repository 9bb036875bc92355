import { expect, test } from "bun:test";
import { BusRoutes } from "./bus-routes.ts";
import type { BusMessage } from "./ports.ts";

test("each kind reaches the one who declared it; kinds of another version reach nobody", () => {
  const listeners: ((message: BusMessage) => void)[] = [];
  const bus = new BusRoutes({ listen: (listener) => void listeners.push(listener) });
  const heard: string[] = [];
  bus.hear<BusMessage>(["a", "b"], ({ kind }) => heard.push(`first ${kind}`));
  bus.hear<BusMessage>(["c"], ({ kind }) => heard.push(`second ${kind}`));
  for (const kind of ["c", "a", "d", "constructor", "b"]) listeners[0]?.({ kind, from: "n" });
  expect(heard).toEqual(["second c", "first a", "first b"]);
});
