// Owns: docs/reference/gateway-api.md and gateway-openapi.json, written from the control API's
// table. Pure.
import { OPERATIONS, type Operation } from "./control-api.ts";
import { OPENAPI_PATH, openApiDocument, partsOf, pathOf } from "./openapi.ts";
import type { Schema } from "./schemas.ts";

/** What a gateway serves, indented. */
export const renderGatewayOpenApi = (): string =>
  `${JSON.stringify(openApiDocument(), undefined, 2)}\n`;

export const renderGatewayApiReference = (): string =>
  `${[HEAD, ...OPERATIONS.map(section)].join("\n\n")}\n`;

const HEAD = `# The gateway's control API

<!-- Generated from packages/gateway/src/control by \`npm run generate\`; a check compares the two. -->

It is on the admin port, if there are \`apiKeys\`. [The guide](../guide/gateway.md#order-it) says what
it is for. OpenAPI 3.1: [gateway-openapi.json](gateway-openapi.json), which a gateway serves at
\`${OPENAPI_PATH}\` to anyone.

- **Keys**: \`Authorization: Bearer <key>\`. No key or an unknown one is 401, a key without the scope
  is 403. Too many wrong keys of one address are 429.
- **Lists** have at most \`limit\` rows. \`next\` is what \`after\` is for the next page.
- **Orders** have a token, a whole number. A lower one than that of the last order about the
  endpoint is refused with 409. Members that an order does not know are ignored.
- **Errors** are problem details (RFC 9457, \`application/problem+json\`): match on \`code\`. \`path\` is
  the part that is wrong.`;

function section(operation: Operation): string {
  const { name, method, scope, summary, description, query = {}, body, answer } = operation;
  const lines = [
    `## ${name}`,
    `\`${method} ${pathOf(operation)}\`, scope \`${scope}\`. ${summary}`,
  ];
  if (description !== undefined) lines.push(description);
  const inputs = [
    ...partsOf(operation).map((part) => [`\`${part}\``, "path", "", PART_TEXTS[part] ?? ""]),
    ...Object.entries(query).map(([part, schema]) => [
      ...[`\`${part}\``, typeOf(schema), "optional", schema.description ?? ""],
    ]),
  ];
  if (inputs.length > 0) lines.push(table(["parameter", "type", "", "description"], inputs));
  if (body !== undefined) lines.push(table(["body", "type", "", "description"], membersOf(body)));
  lines.push(table(["answer 200", "type", "", "description"], membersOf(answer)));
  return lines.join("\n\n");
}

const PART_TEXTS: Readonly<Record<string, string>> = {
  route: "Name of a route.",
  address: "`host:port` of an endpoint, percent-encoded.",
  id: "Of a session.",
};

function membersOf(schema: Schema, prefix = ""): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const path = `${prefix}${name}`;
    const isOptional = schema.required?.includes(name) !== true;
    const row = [
      ...[`\`${path}\``, typeOf(member), isOptional ? "optional" : "", member.description ?? ""],
    ];
    return [
      row,
      ...(member.type === "array" ? membersOf(member.items ?? {}, `${path}[].`) : []),
      ...membersOf(member, `${path}.`),
    ];
  });
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map((word) => `\`${word}\``).join(", ");
  const types = [schema.type ?? "any"].flat();
  const base =
    types[0] === "array"
      ? `list of ${[schema.items?.type ?? "any"].flat()[0]}`
      : types.join(" or ");
  return [
    base,
    schema.minimum === undefined ? "" : `from ${schema.minimum}`,
    schema.maximum === undefined ? "" : `to ${schema.maximum}`,
    schema.maxItems === undefined ? "" : `at most ${schema.maxItems}`,
    schema.default === undefined ? "" : `default ${schema.default}`,
  ]
    .filter((part) => part !== "")
    .join(", ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
