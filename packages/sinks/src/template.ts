// Owns: names made of a record: `heat/{site}`, with the rules of each target for what may be in
// them.
import type { SinkBatch, SinkRecord } from "@holdfast/pipelines/sink";

/** `{site}` of the source's parameters, and `{key}`, `{pipeline}`, `{partition}`. */
const PLACE = /\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** Whether every brace belongs to a place. */
export const isTemplate = (text: string): boolean => !/[{}]/.test(text.replaceAll(PLACE, ""));

/**
 * The name for a record; undefined if a place has no value, or one that must not be in a name.
 * Values come from clients: `allowed` keeps out what separates or matches names in the target.
 */
export function nameFor(
  template: string,
  record: SinkRecord,
  batch: Pick<SinkBatch, "pipeline" | "partition">,
  allowed: RegExp,
): string | undefined {
  let isRight = true;
  const name = template.replaceAll(PLACE, (_place, word: string) => {
    const value = partOf(word, record, batch);
    if (value === undefined || !allowed.test(value)) isRight = false;
    return value ?? "";
  });
  return isRight ? name : undefined;
}

function partOf(
  word: string,
  { params, key }: SinkRecord,
  { pipeline, partition }: Pick<SinkBatch, "pipeline" | "partition">,
): string | undefined {
  if (Object.hasOwn(params, word)) return params[word];
  if (word === "key") return key;
  if (word === "pipeline") return pipeline;
  return word === "partition" ? String(partition) : undefined;
}
