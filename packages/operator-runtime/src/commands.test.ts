import { expect, test } from "bun:test";
import type { Commands, Status } from "@holdfast/operator";
import { obeyed } from "./commands.ts";

const status = (more: Partial<Status> = {}): Status => ({
  ...{ stable: "a", rejected: [], condition: "Progressing", message: "" },
  ...more,
});
const under = (step: number): Status =>
  status({ release: { to: "b", from: "a", phase: "advancing", step, progress: "" } });
const at = (step: number | "all"): Partial<Commands> => ({ promote: { revision: "b", step } });

test.each<[what: string, given: Partial<Commands>, now: Status, isDone: boolean]>([
  ["the step is there still", at(1), under(0), false],
  ["the next step began", at(1), under(1), true],
  ["all steps, and it goes on", at("all"), under(1), false],
  ["everybody is on the revision", at("all"), status({ stable: "b" }), true],
  ["its release has not begun", at(1), status(), false],
  ["another revision is wished", { promote: { revision: "x", step: 1 } }, status(), true],
  ["it goes back", { abort: "b" }, under(0), false],
  ["it is back", { abort: "b" }, status({ rejected: ["b"] }), true],
  ["it has not begun", { abort: "b" }, status(), false],
  ["it is done already, and nothing is to abort", { abort: "b" }, status({ stable: "b" }), true],
  ["an earlier revision, which nobody wishes", { abort: "x" }, under(0), true],
  ["it is not tried yet", { retry: "b" }, status({ rejected: ["b"] }), false],
  ["it is tried", { retry: "b" }, under(0), true],
])("a command goes when it was obeyed: %s", (_, given, now, isDone) => {
  expect(obeyed({ isPaused: false, ...given }, now, "b")).toHaveLength(isDone ? 1 : 0);
});

test("a pause stays until somebody takes it away", () => {
  expect(obeyed({ isPaused: true }, status(), "b")).toEqual([]);
});
