// Owns: deploy/chart/values.schema.json: the chart's values from values.yaml, and the node's
// options below `config` from the option table.
import { type Option, type OptionTable, optionRows } from "@holdfast/config";
import { CHANNEL_RULES, SLOW_CONSUMER_POLICIES } from "@holdfast/server/options";
import type { ChartValue } from "./values-file.ts";

type Schema = Readonly<Record<string, unknown>>;
/** The table of the program that the chart runs. */
export type NodeOptionTable = Pick<OptionTable<never>, "options" | "envPrefix">;

/**
 * The schema as the text of its file. `table`: the options below `config`, if the chart has that.
 */
export function valuesSchema(
  values: readonly ChartValue[],
  table: NodeOptionTable | undefined,
  title = "Values of the Holdfast chart",
): string {
  const schema = {
    // The newest draft that every Helm 3 knows.
    $schema: "http://json-schema.org/draft-07/schema#",
    title,
    ...objectOf(values),
    ...(table === undefined ? {} : { definitions: { config: configSchema(table) } }),
  };
  return `${JSON.stringify(schema, undefined, 1)}\n`;
}

function objectOf(values: readonly ChartValue[]): Schema {
  const properties = values.map((value) => [nameOf(value.path), schemaOf(value)]);
  // `global` is what Helm gives to every chart that is a part of another.
  const open = values.some(({ path }) => path === "nameOverride")
    ? { global: { type: "object" } }
    : {};
  return {
    type: "object",
    additionalProperties: false,
    properties: { ...Object.fromEntries(properties), ...open },
  };
}

function schemaOf(value: ChartValue): Schema {
  const { description, schema } = value;
  if (value.children !== undefined) return { description, ...objectOf(value.children), ...schema };
  // In this draft a reference stands alone.
  if ("$ref" in schema) return schema;
  return { description, type: typeOf(value), ...schema };
}

function typeOf({ path, default: value }: ChartValue): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "number")
    return /(Seconds|Pods|Replicas|Mebibytes|Max|perPod|port|replicas)$/.test(path)
      ? "integer"
      : "number";
  return value === null ? "null" : typeof value;
}

/**
 * Options of a node, nested as their names are. What the chart derives or what is secret is in it
 * too: the templates refuse it, and say what to use.
 */
function configSchema(table: NodeOptionTable): Schema {
  const root: Tree = new Map();
  for (const { name, option } of optionRows(table)) {
    const path = name.split(".");
    const leaf = path.pop() ?? "";
    let place = root;
    for (const step of path) place = childOf(place, step);
    place.set(leaf, { description: option.description, ...optionSchema(option, name) });
  }
  return { description: "Options of a node: docs/reference/options.md.", ...treeSchema(root) };
}

type Tree = Map<string, Schema | Tree>;

function childOf(tree: Tree, name: string): Tree {
  const found = tree.get(name);
  if (found instanceof Map) return found;
  const made: Tree = new Map();
  tree.set(name, made);
  return made;
}

function treeSchema(tree: Tree): Schema {
  const properties = [...tree].map(([name, entry]) => [
    name,
    entry instanceof Map ? treeSchema(entry) : entry,
  ]);
  return {
    type: "object",
    additionalProperties: false,
    properties: Object.fromEntries(properties),
  };
}

/** Units as in packages/config/src/values.ts. */
const NUMBER_TEXT = String.raw`\d{1,16}(\.\d{1,9})?`;

function optionSchema(option: Option<unknown>, name: string): Schema {
  if (option.secret && option.kind === "text") return { type: "string" };
  const { min: minimum, max: maximum } = option.range ?? {};
  switch (option.kind) {
    case "integer":
      return { type: "integer", minimum, maximum };
    case "number":
      return { type: "number", minimum, maximum };
    case "bytes":
      return orText(
        { type: "integer", minimum, maximum },
        `^${NUMBER_TEXT} ?(B|kB|MB|GB|KiB|MiB|GiB)$`,
      );
    case "duration":
      return orText({ type: "integer", minimum, maximum }, `^${NUMBER_TEXT}(ms|s|m|h|d)$`);
    case "boolean":
      return { type: "boolean" };
    case "text":
      return { type: "string", minLength: 1 };
    case "choice":
      return { enum: option.words };
    case "list":
      return { type: "array", items: { type: "string" } };
    case "entries":
      return {
        type: "array",
        maxItems: 100,
        items: { type: "object", required: ["name", "scopes"] },
      };
    case "map":
      return {
        type: "object",
        additionalProperties: name === "mqtt.topics" ? topicSchema() : channelSchema(),
      };
  }
}

function orText(schema: Schema, pattern: string): Schema {
  return { anyOf: [schema, { type: "string", pattern }] };
}

function channelSchema(): Schema {
  const rule = { enum: CHANNEL_RULES };
  const permissions = { subscribe: rule, publish: rule, presence: rule, history: rule };
  return {
    type: ["object", "null"],
    additionalProperties: false,
    properties: {
      class: { enum: ["volatile", "latest", "ordered", "durable"] },
      history: {
        type: "object",
        additionalProperties: false,
        properties: {
          size: { type: "integer", minimum: 0 },
          ttlMs: { type: ["integer", "string"] },
        },
      },
      presence: { type: "boolean" },
      permissions: { type: "object", additionalProperties: false, properties: permissions },
      slowConsumer: { enum: SLOW_CONSUMER_POLICIES },
    },
  };
}

function topicSchema(): Schema {
  const text = { type: "string", minLength: 1 };
  const properties = {
    channel: text,
    retained: text,
    payload: { enum: ["auto", "json", "bytes"] },
  };
  const row = { type: "object", additionalProperties: false, required: ["channel"], properties };
  return { anyOf: [text, row] };
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}
