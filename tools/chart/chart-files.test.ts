import { describe, expect, test } from "bun:test";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { strictCrdSchema, strictKindSchema } from "./strict-schema.ts";
import { readChartValues } from "./values-file.ts";
import { valuesSchema } from "./values-schema.ts";
import { withValuesTable } from "./values-table.ts";

const VALUES = `# Heading of the file.

# How many.
# @schema {"minimum": 1}
replicas: 2
# A group.
group:
  # First inside.
  first: ""
  # Pinned, or | derived.
  # @schema {"type": ["integer", "null"]}
  pinSeconds: null
  # Free.
  free: {}
`;

describe("values", () => {
  test("have their description, their default and what the comment adds", () => {
    const [replicas, group] = readChartValues(VALUES);
    expect(replicas).toMatchObject({
      path: "replicas",
      description: "How many.",
      schema: { minimum: 1 },
      default: 2,
    });
    expect(group?.children?.map(({ path, description }) => [path, description])).toEqual([
      ["group.first", "First inside."],
      ["group.pinSeconds", "Pinned, or | derived."],
      ["group.free", "Free."],
    ]);
  });
  test.each([
    ["without a description", "# A.\na: 1\nb: 2\n", "b has no description"],
    ["whose schema is no JSON", "# A.\n# @schema {\na: 1\n", "JSON"],
    ["that are no map", "- 1\n", "expected a map"],
  ])("%s are refused", (_name, text, message) => {
    expect(() => readChartValues(text)).toThrow(message);
  });
});

test("the schema has types, limits and no room for unknown values", () => {
  const schema = JSON.parse(valuesSchema(readChartValues(VALUES), NODE_OPTIONS));
  expect(schema.additionalProperties).toBe(false);
  expect(schema.properties.replicas).toEqual({
    description: "How many.",
    type: "integer",
    minimum: 1,
  });
  expect(schema.properties.group.properties.pinSeconds.type).toEqual(["integer", "null"]);
  expect(schema.properties.group.properties.free.type).toBe("object");
  expect(schema.definitions.config.properties.limits.properties.subscriptionsMax).toMatchObject({
    type: "integer",
    minimum: 1,
  });
});

test("the table stands between its marks, and nothing else changes", () => {
  const readme =
    "before\n<!-- values: made from values.yaml by `npm run generate` -->\nold\n<!-- end of values -->\nafter\n";
  const made = withValuesTable(readme, readChartValues(VALUES));
  expect(made).toContain("| `group.pinSeconds` | derived | Pinned, or \\| derived. |");
  expect(made).not.toContain("old");
  expect([made.startsWith("before\n"), made.endsWith("\nafter\n")]).toEqual([true, true]);
  expect(withValuesTable(made, readChartValues(VALUES))).toBe(made);
  expect(() => withValuesTable("no marks", [])).toThrow("expected");
});

describe("schemas of Kubernetes", () => {
  const openapi = {
    components: {
      schemas: {
        "io.x.Thing": {
          description: "prose",
          type: "object",
          properties: { spec: { allOf: [{ $ref: "#/components/schemas/io.x.Spec" }] } },
          "x-kubernetes-group-version-kind": [{ group: "x.io", version: "v1", kind: "Thing" }],
        },
        "io.x.Spec": {
          type: "object",
          properties: { description: { type: "string", description: "prose" } },
        },
        "io.x.Other": { type: "object" },
      },
    },
  };
  test("keep what a kind refers to, without prose, and refuse unknown fields", () => {
    expect(strictKindSchema(openapi, "x.io/v1/Thing")).toEqual({
      $ref: "#/$defs/io.x.Thing",
      $defs: {
        "io.x.Spec": {
          type: "object",
          properties: { description: { type: "string" } },
          additionalProperties: false,
        },
        "io.x.Thing": {
          type: "object",
          properties: { spec: { allOf: [{ $ref: "#/$defs/io.x.Spec" }] } },
          additionalProperties: false,
        },
      },
    });
    expect(() => strictKindSchema(openapi, "x.io/v2/Thing")).toThrow("Cannot find");
  });
  test("of definitions have the head of every object, and leave open what is open", () => {
    const schema = {
      type: "object",
      properties: {
        spec: {
          type: "object",
          properties: {
            a: {
              type: "string",
              "x-kubernetes-validations": [{ rule: "self != ''", message: "say it", reason: "R" }],
            },
          },
          "x-kubernetes-preserve-unknown-fields": true,
        },
      },
    };
    const crd = {
      spec: {
        group: "x.io",
        names: { kind: "Thing" },
        versions: [{ name: "v1", schema: { openAPIV3Schema: schema } }],
      },
    };
    expect(strictCrdSchema([undefined, crd], "x.io/v1/Thing")).toEqual({
      type: "object",
      properties: {
        spec: {
          type: "object",
          properties: {
            a: {
              type: "string",
              "x-kubernetes-validations": [{ rule: "self != ''", message: "say it" }],
            },
          },
        },
        apiVersion: { type: "string" },
        kind: { type: "string" },
        metadata: { type: "object" },
      },
      additionalProperties: false,
    });
    expect(() => strictCrdSchema([crd], "x.io/v1/Other")).toThrow("Cannot find");
  });
});
