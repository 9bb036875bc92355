// Owns: reading deploy/chart/values.yaml as people wrote it: each value with its description and
// the schema that its comment adds.
import { isMap, isScalar, type Pair, parseDocument, type YAMLMap } from "yaml";

/** One value, or one group of values. */
export interface ChartValue {
  /** Path from the top, as in `drain.maxSeconds`. */
  readonly path: string;
  readonly description: string;
  /** What a line `# @schema {...}` adds to what the default tells. */
  readonly schema: Readonly<Record<string, unknown>>;
  readonly default: unknown;
  /** Values inside; undefined if the value has none, such as a free map. */
  readonly children: readonly ChartValue[] | undefined;
}

/**
 * Values of the chart, in their order. Throws on a value without a description, because that is how
 * one is forgotten.
 */
export function readChartValues(text: string): readonly ChartValue[] {
  const document = parseDocument(text);
  const [problem] = document.errors;
  if (problem !== undefined) throw problem;
  if (!isMap(document.contents)) throw new Error("Cannot read the chart's values: expected a map");
  return valuesOf(document.contents, "", document.commentBefore ?? undefined);
}

function valuesOf(
  map: YAMLMap,
  prefix: string,
  heading: string | undefined,
): readonly ChartValue[] {
  return map.items.map((pair, index) => {
    // The comment before the first key of a map belongs to the map, for the parser.
    const inherited = index === 0 ? lastBlock(map.commentBefore ?? heading) : undefined;
    return chartValueOf(pair, prefix, inherited);
  });
}

function chartValueOf(pair: Pair, prefix: string, inherited: string | undefined): ChartValue {
  const { key, value } = pair;
  if (!isScalar(key))
    throw new Error(
      `Cannot read the chart's values: a key below ${prefix || "the top"} is not text`,
    );
  const path = `${prefix}${String(key.value)}`;
  const { description, schema } = readComment(
    path,
    lastBlock(key.commentBefore ?? undefined) ?? inherited ?? "",
  );
  const children =
    isMap(value) && value.items.length > 0 ? valuesOf(value, `${path}.`, undefined) : undefined;
  const plain: unknown = isMap(value) || !isScalar(value) ? toPlain(value) : value.value;
  return { path, description, schema, default: plain, children };
}

function toPlain(node: unknown): unknown {
  return typeof node === "object" &&
    node !== null &&
    "toJSON" in node &&
    typeof node.toJSON === "function"
    ? node.toJSON()
    : node;
}

/** A blank line ends what belongs to something before. */
function lastBlock(comment: string | undefined): string | undefined {
  return comment?.split(/\n\s*\n/).at(-1);
}

function readComment(path: string, comment: string): Pick<ChartValue, "description" | "schema"> {
  const lines = comment.split("\n").map((line) => line.trim());
  const schemaLine = lines.find((line) => line.startsWith("@schema "));
  const description = lines
    .filter((line) => !line.startsWith("@schema "))
    .join(" ")
    .trim();
  if (description === "")
    throw new Error(`Cannot read the chart's values: ${path} has no description above it`);
  return {
    description,
    schema: schemaLine === undefined ? {} : schemaOf(path, schemaLine.slice("@schema ".length)),
  };
}

function schemaOf(path: string, text: string): Readonly<Record<string, unknown>> {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== "object" || parsed === null)
    throw new Error(`Cannot read the chart's values: @schema of ${path} is not an object`);
  return { ...parsed };
}
