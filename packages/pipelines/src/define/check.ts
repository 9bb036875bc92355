// Owns: what is wrong with a pipeline's definition, in words, before it runs.
import { AGGREGATES } from "../aggregate/aggregates.ts";
import { outputsOf, tablesOf } from "../engine/compile.ts";
import type { PipelineDefinition, Step, TimeRules } from "./types.ts";

/** Names of pipelines: they are parts of keys in the broker, of metrics and of URLs. */
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const PARTITIONS_MAX = 256;
const STEPS_MAX = 200;
const OUTPUTS_MAX = 32;
const TABLES_MAX = 16;
/** Windows of one size that an event may be in. */
const HOPS_MAX = 100;
const KEYS_MAX = 1_000_000;

type Say = (what: string, found: unknown, expected: string) => void;

/**
 * Problems as "Cannot use pipeline "x": ...: found ..., expected ..."; empty if it can run. Sinks
 * are checked by their adapters, the source's pattern by the contract.
 */
export function pipelineProblems(name: string, definition: PipelineDefinition): readonly string[] {
  const problems: string[] = [];
  const say: Say = (what, found, expected) =>
    problems.push(
      `Cannot use pipeline "${name}": ${what}: found ${String(found)}, expected ${expected}`,
    );
  if (!NAME.test(name)) say("its name", name, "a letter, then up to 63 letters, digits, _ or -");
  const { partitions, partitionBy = [], version, source } = definition;
  if (!isWhole(partitions, 1, PARTITIONS_MAX))
    say("partitions", partitions, `a whole number from 1 to ${PARTITIONS_MAX}`);
  if (!isWhole(version, 1, 1e9)) say("version", version, "a whole number from 1");
  if (!["refuse", "rebuild", "discard"].includes(definition.onChange))
    say("onChange", definition.onChange, "refuse, rebuild or discard");
  const params = [...source.pattern.matchAll(/\{([^}*]+)\*?\}/g)].map(([, param]) => param);
  for (const by of partitionBy)
    if (!params.includes(by)) say("partitionBy", by, `parameters of ${source.pattern}`);
  const count = checkSteps(definition.steps, "", say);
  if (count > STEPS_MAX) say("its steps", count, `at most ${STEPS_MAX}`);
  const outputs = outputsOf(definition).length;
  if (outputs > OUTPUTS_MAX) say("its outputs", outputs, `at most ${OUTPUTS_MAX}`);
  const tables = tablesOf(definition).length;
  if (tables > TABLES_MAX) say("its tables", tables, `at most ${TABLES_MAX}`);
  checkLookups(definition.steps, say);
  return problems;
}

const isWhole = (found: unknown, min: number, max: number): boolean =>
  Number.isSafeInteger(found) && (found as number) >= min && (found as number) <= max;

function checkSteps(steps: readonly Step[], path: string, say: Say): number {
  let count = steps.length;
  for (const [i, step] of steps.entries()) {
    const where = `${path}step ${i + 1} (${step.kind})`;
    if (step.kind === "branch") {
      if (i < steps.length - 1) say(where, "steps behind it", "branch as the last step");
      for (const [branch, inner] of Object.entries(step.branches))
        count += checkSteps(inner, `${path}${branch}/`, say);
      if (Object.keys(step.branches).length === 0) say(where, "no branch", "at least one");
    } else checkStep(step, where, say);
  }
  return count;
}

function checkStep(step: Exclude<Step, { kind: "branch" }>, where: string, say: Say): void {
  switch (step.kind) {
    case "sample":
      if (!(step.share >= 0 && step.share <= 1)) say(where, step.share, "a share from 0 to 1");
      break;
    case "dedupe":
      checkKeys(step.keysMax, where, say);
      break;
    case "throttle":
      checkKeys(step.keysMax, where, say);
      if (!isWhole(step.events, 1, 1e9)) say(where, step.events, "a whole number of events from 1");
      break;
    case "detect":
      checkTimes(step.rules, where, say);
      checkKeys(step.rules.keysMax, where, say);
      checkDetector(step.rules, where, say);
      break;
    case "window":
      checkTimes(step.rules, where, say);
      checkKeys(step.rules.keysMax, where, say);
      checkWindow(step, where, say);
      break;
  }
}

function checkKeys(keysMax: number, where: string, say: Say): void {
  if (!isWhole(keysMax, 1, KEYS_MAX)) say(`${where}: keysMax`, keysMax, `1 to ${KEYS_MAX}`);
}

function checkTimes({ latenessMs, idleMs }: TimeRules, where: string, say: Say): void {
  if (!isWhole(latenessMs, 0, 366 * 86_400_000)) say(`${where}: lateness`, latenessMs, "ms from 0");
  if (!isWhole(idleMs, 1, 366 * 86_400_000)) say(`${where}: idle`, idleMs, "ms from 1");
}

function checkDetector(
  rules: Extract<Step, { kind: "detect" }>["rules"],
  where: string,
  say: Say,
): void {
  if (rules.kind === "sequence" && !isWhole(rules.steps.length, 2, 32))
    say(`${where}: steps`, rules.steps.length, "2 to 32");
  if (rules.kind !== "threshold" && rules.kind !== "rate") return;
  const { side, raise, clear } = rules;
  if (!Number.isFinite(raise) || !Number.isFinite(clear)) say(where, raise, "finite thresholds");
  if (side === "above" ? clear > raise : clear < raise)
    say(`${where}: where it clears`, clear, `not ${side} ${raise}`);
}

function checkWindow(
  { rules: { shape }, aggregates }: Extract<Step, { kind: "window" }>,
  where: string,
  say: Say,
): void {
  if (shape.kind === "hopping" && !(shape.everyMs <= shape.sizeMs))
    say(`${where}: every`, `${shape.everyMs} ms`, `at most the size, ${shape.sizeMs} ms`);
  if (shape.kind === "hopping" && shape.sizeMs / shape.everyMs > HOPS_MAX)
    say(`${where}: size / every`, shape.sizeMs / shape.everyMs, `at most ${HOPS_MAX}`);
  if (shape.kind === "counting" && !isWhole(shape.events, 1, 1e6))
    say(`${where}: events`, shape.events, "a whole number from 1 to 1,000,000");
  if (shape.kind === "sliding" && !isWhole(shape.eventsMax, 1, 100_000))
    say(`${where}: eventsMax`, shape.eventsMax, "a whole number from 1 to 100,000");
  const names = Object.entries(aggregates);
  if (!isWhole(names.length, 1, 50)) say(`${where}: aggregates`, names.length, "1 to 50");
  for (const [name, { aggregate, parameter = 0, of }] of names) {
    const what = `${where}: ${name}`;
    if (["key", "fromMs", "toMs"].includes(name)) say(what, "the name", "one that is not taken");
    if (!AGGREGATES.includes(aggregate)) say(what, aggregate, AGGREGATES.join(", "));
    if (aggregate === "quantile" && !(parameter >= 0 && parameter <= 1))
      say(what, parameter, "a share from 0 to 1");
    if (aggregate === "topK" && !isWhole(parameter, 1, 100)) say(what, parameter, "1 to 100");
    if (aggregate !== "count" && of === undefined) say(what, "nothing", "what is aggregated");
  }
}

/** What an application's function is asked must be known before anything is kept. */
function checkLookups(steps: readonly Step[], say: Say): void {
  const isFunction = (step: Step): boolean =>
    step.kind === "lookup" && step.table.kind === "function";
  const isKeeping = (step: Step): boolean =>
    ["window", "detect", "dedupe", "throttle", "branch"].includes(step.kind);
  const keeping = steps.findIndex(isKeeping);
  const deep = (inner: readonly Step[]): boolean =>
    inner.some(
      (step) =>
        isFunction(step) || (step.kind === "branch" && Object.values(step.branches).some(deep)),
    );
  if (keeping !== -1 && deep(steps.slice(keeping)))
    say("a lookup", "behind a step that keeps something", "it before windows, dedupe and branches");
}
