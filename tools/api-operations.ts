// Owns: packages/api/src/operations.ts: the HTTP API's operations as types and a table, made from
// the OpenAPI document of the node.
import { CODES } from "@holdfast/protocol";
import { CODE_STATUS, openApiDocument } from "@holdfast/server";

/**
 * Whether a request may be sent again if nobody knows what became of the last one. `always`: what
 * it does twice is what it does once. `keyed`: it carries an idempotency key. `refused`: only if
 * the node says that it was not carried out.
 */
const REPEAT: Readonly<Record<string, "always" | "keyed" | "refused">> = {
  publish: "keyed",
  broadcast: "keyed",
  batch: "keyed",
  ingest: "keyed",
  history: "always",
  history_stream: "always",
  history_remove: "refused",
  presence: "always",
  channels: "always",
  sessions: "always",
  disconnect: "always",
  unsubscribe: "always",
  rpc: "refused",
  info: "always",
  drain: "always",
  undrain: "always",
  shed: "always",
  nodes: "always",
  node_drain: "always",
  node_undrain: "always",
};

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly default?: unknown;
  readonly oneOf?: unknown;
}

interface OpenApiOperation {
  readonly operationId: string;
  readonly summary: string;
  /** It answers events, for which the client has code of its own. */
  readonly "x-stream"?: true;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly description?: string;
    readonly schema: Schema;
  }[];
  readonly requestBody?: {
    readonly content: { readonly "application/json": { readonly schema: Schema } };
  };
  readonly responses: Readonly<
    Record<
      string,
      { readonly content?: { readonly "application/json": { readonly schema: Schema } } }
    >
  >;
}

const COLUMNS = 100;

/** The file's text. Throws if an operation has no row in the table above. */
export function renderApiOperations(): string {
  const { paths } = openApiDocument() as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, OpenApiOperation>>>>;
  };
  const operations = Object.entries(paths)
    .flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
    )
    .filter(({ operation }) => operation.operationId !== "openapi");
  const types = operations.flatMap(({ operation }) => typesOf(operation));
  const rows = operations.map(({ path, method, operation: { operationId: name } }) => {
    const repeat = REPEAT[name];
    if (repeat === undefined)
      throw new TypeError(`Cannot make the client: ${name} has no row in REPEAT`);
    return `  ${name}: { method: "${method.toUpperCase()}", path: "${path}", repeat: "${repeat}" },`;
  });
  const calls = operations.filter(({ operation }) => operation["x-stream"] !== true);
  const signatures = calls.map(({ operation: { operationId: name } }) => {
    const type = typeName(name);
    const members = [`readonly input: ${type}Input;`, `readonly output: ${type}Output;`];
    const line = `  readonly ${name}: { ${members.join(" ").slice(0, -1)} };`;
    if (line.length <= COLUMNS) return line;
    return `  readonly ${name}: {\n${members.map((member) => `    ${member}`).join("\n")}\n  };`;
  });
  return `// Generated from the node's OpenAPI document by \`npm run generate\`; a check compares the two.

${types.join("\n\n")}

/** Input and output of each operation. */
export interface Operations {
${signatures.join("\n")}
}

/** How each operation is called, and whether a request may be repeated. */
export const OPERATIONS = {
${rows.join("\n")}
} as const;

/** Codes after which the same request may succeed a little later. */
export const PASSING_CODES: ReadonlySet<string> = new Set([
${passingCodes()
  .map((code) => `  "${code}",`)
  .join("\n")}
]);
`;
}

/** Of the codes that reach a caller: those that the protocol lets repeat, and HTTP's own. */
function passingCodes(): readonly string[] {
  const passing = (Object.keys(CODE_STATUS) as (keyof typeof CODE_STATUS)[]).filter(
    (code) => CODES[code].retry !== "never",
  );
  return [...passing, "request_timeout"].sort();
}

function typesOf(operation: OpenApiOperation): readonly string[] {
  const type = typeName(operation.operationId);
  if (operation["x-stream"] === true)
    return [
      declaration(
        `${type}Input`,
        `What \`${operation.operationId}\` takes. ${operation.summary}`,
        inputOf(operation),
      ),
    ];
  const done = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  return [
    declaration(
      `${type}Input`,
      `What \`${operation.operationId}\` takes. ${operation.summary}`,
      inputOf(operation),
    ),
    declaration(
      `${type}Output`,
      `What \`${operation.operationId}\` answers.`,
      done?.[1].content?.["application/json"].schema ?? {},
    ),
  ];
}

function inputOf({ parameters = [], requestBody }: OpenApiOperation): Schema {
  if (requestBody !== undefined) return requestBody.content["application/json"].schema;
  const query = parameters.filter((parameter) => parameter.in === "query");
  return {
    type: "object",
    properties: Object.fromEntries(
      query.map(({ name, description, schema }) => [
        name,
        { ...schema, ...(description === undefined ? {} : { description }) },
      ]),
    ),
    required: query.filter(({ required }) => required).map(({ name }) => name),
  };
}

function declaration(name: string, description: string, schema: Schema): string {
  if (schema.type === "array")
    return `${comment(description, "")}\nexport type ${name} = ${typeOf(schema, "", true)};`;
  const members = membersOf(schema, "  ", name.endsWith("Input"));
  const head = comment(description, "");
  return members.length === 0
    ? `${head}\nexport type ${name} = Readonly<Record<string, never>>;`
    : `${head}\nexport interface ${name} {\n${members.join("\n")}\n}`;
}

function membersOf(schema: Schema, indent: string, isInput: boolean): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const isRequired =
      schema.required?.includes(name) === true && !(isInput && member.default !== undefined);
    const text =
      member.default === undefined || member.default === ""
        ? ""
        : ` Default ${String(member.default)}.`;
    const described = `${member.description ?? ""}${text}`.trim();
    return [
      ...(described === "" ? [] : [comment(described, indent)]),
      `${indent}readonly ${name}${isRequired ? "" : "?"}: ${typeOf(member, indent, isInput)};`,
    ];
  });
}

function typeOf(schema: Schema, indent: string, isInput: boolean): string {
  if (schema.enum !== undefined)
    return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  switch (schema.type) {
    case "array": {
      const item = typeOf(schema.items ?? {}, indent, isInput);
      return `readonly ${/^[^{]* \| /.test(item) ? `(${item})` : item}[]`;
    }
    case "object":
      return `{\n${membersOf(schema, `${indent}  `, isInput).join("\n")}\n${indent}}`;
    case "integer":
    case "number":
      return "number";
    case "string":
    case "boolean":
      return schema.type;
    default:
      // A command of a batch is one of many shapes; its operation's input has the members.
      return schema.oneOf === undefined ? "unknown" : "{ readonly op: string }";
  }
}

function comment(text: string, indent: string): string {
  const single = `${indent}/** ${text} */`;
  if (single.length <= COLUMNS) return single;
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || indent.length + 3 + last.length + 1 + word.length > COLUMNS)
      lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`].join("\n");
}

const typeName = (operation: string): string =>
  operation
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("");
