// Owns: docs/reference/http-api.md and docs/reference/openapi.json, written from the table of
// routes. Pure.
import type { z } from "zod";
import { INGEST, INGEST_PATH, ingestInput, ingestOutput, ingestQuery } from "./ingest-schemas.ts";
import { BATCH, openApiDocument, schemaOf, streamEvents } from "./openapi.ts";
import { OPENAPI_PATH } from "./operations.ts";
import { CODE_STATUS } from "./problem.ts";
import type { StreamRoute } from "./route.ts";
import { BATCH_PATH, batchInput, batchOutput } from "./routes/batch.ts";
import { API_BASE, ROUTES, STREAM_ROUTES } from "./routes/index.ts";

/** docs/reference/openapi.json: what a node serves, indented. */
export const renderOpenApi = (): string => `${JSON.stringify(openApiDocument(), undefined, 2)}\n`;

/** docs/reference/http-api.md, the whole page with its closing line feed. */
export function renderHttpApiReference(): string {
  const sections = ROUTES.map((route) =>
    section({ ...route, path: API_BASE + route.path, scope: `\`${route.scope}\`` }),
  );
  const batch = {
    ...BATCH,
    method: "POST",
    path: API_BASE + BATCH_PATH,
    scope: "those of its commands",
    input: batchInput,
    output: batchOutput,
  };
  const streams = STREAM_ROUTES.map(streamSection);
  return `${[HEAD, ...sections, ...streams, section({ ...batch, status: 200 }), ingestSection(), codes()].join("\n\n")}\n`;
}

const HEAD = `# HTTP API

<!-- Generated from packages/server/src/http by \`npm run generate\`; a check compares the two. -->

For the application's back end, on the public listener below \`${API_BASE}\`. OpenAPI 3.1: [openapi.json](openapi.json), which a node serves at
\`${API_BASE}${OPENAPI_PATH}\` to anyone.

- **Keys**: \`Authorization: Bearer <key>\`. Keys, their scopes and how to make them: [authentication](../guide/authentication.md). No key or an unknown one
  is 401, a key without the scope 403. Too many wrong keys from one address are answered 429.
- **Input**: GET takes the query, POST a JSON body. Unknown members are refused. Data of the application is \`data\` (any JSON value) or \`b\` (base64 of
  bytes). Data is what section 1.4 of
  the protocol says: integers that no double holds, members that stand twice and the like are refused, with their path.
- **Errors** are problem details (RFC 9457, \`application/problem+json\`): match on \`code\`; \`path\` names the member that is wrong, \`retryMs\` and the
  header Retry-After say when to repeat.
- **Idempotency**: \`Idempotency-Key\` (or \`idempotencyKey\`) on publish, broadcast and batch: the same key again for a channel publishes nothing and answers the first
  offset with \`duplicate: true\`.
- A body over \`apiBodyBytesMax\` is 413; requests over the number that a node takes at once are 503. Every answer has \`X-Request-Id\`, which the node's log names as well.`;

interface Described {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly scope: string;
  readonly summary: string;
  readonly description?: string;
  readonly input: z.ZodType;
  readonly output: z.ZodType;
  readonly status: number;
}

function section(route: Described): string {
  const lines = [
    `## ${route.name}`,
    `\`${route.method} ${route.path}\`, scope ${route.scope}. ${route.summary}`,
  ];
  if (route.description !== undefined) lines.push(route.description);
  const inputs = membersOf(schemaOf(route.input, "input"), "");
  const where = route.method === "GET" ? "query" : "body";
  if (inputs.length > 0) lines.push(table([where, "type", "", "description"], inputs));
  const outputs = membersOf(schemaOf(route.output, "output"), "");
  lines.push(
    outputs.length > 0
      ? table([`answer ${route.status}`, "type", "", "description"], outputs)
      : `Answer ${route.status}: \`{}\`.`,
  );
  return lines.join("\n\n");
}

function ingestSection(): string {
  return [
    `## ${INGEST.name}`,
    `\`POST ${API_BASE}${INGEST_PATH}\`, scope \`publish\`, or a client's token. ${INGEST.summary}`,
    INGEST.description,
    table(["query", "type", "", "description"], membersOf(schemaOf(ingestQuery, "input"), "")),
    table(
      ["event without `channel` in the query", "type", "", "description"],
      membersOf((schemaOf(ingestInput, "input") as Schema).items ?? {}, ""),
    ),
    table(
      ["answer 202, 207", "type", "", "description"],
      membersOf(schemaOf(ingestOutput, "output"), ""),
    ),
  ].join("\n\n");
}

/** A table for each event. `error` and `alive` are the same in all streams. */
function streamSection(route: StreamRoute): string {
  const path = API_BASE + route.path;
  const head = [
    `## ${route.name}`,
    `\`${route.method} ${path}\`, scope \`${route.scope}\`. ${route.summary}`,
    ...(route.description === undefined ? [] : [route.description]),
    table(["query", "type", "", "description"], membersOf(schemaOf(route.input, "input"), "")),
    STREAM,
  ];
  const events = Object.entries(streamEvents(route))
    .filter(([event]) => event !== "error")
    .map(([event, schema]) =>
      table([`event \`${event}\``, "type", "", "description"], membersOf(schema as Schema, "")),
    );
  return [...head, ...events].join("\n\n");
}

const STREAM =
  "Answer 200: a stream, as `Accept` asks: `application/x-ndjson` (the default) has a JSON object with `event`, `id` and `data` in each line, " +
  "`text/event-stream` the same as server-sent events. Event `error` has a problem as its data, and is the last one. While there is nothing to send, " +
  'a line `{"event":"alive"}` or a comment comes every 15 s.';

interface Schema {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly enum?: readonly unknown[];
  readonly description?: string;
  readonly default?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxLength?: number;
  readonly maxItems?: number;
}

/** A row for each member; those of nested objects with their path. */
function membersOf(schema: Schema, prefix: string): string[][] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, member]) => {
    const path = prefix + name;
    const isRequired = schema.required?.includes(name) === true && member.default === undefined;
    const row = [
      `\`${path}\``,
      typeOf(member),
      isRequired ? "" : "optional",
      member.description ?? "",
    ];
    const nested =
      member.type === "array"
        ? membersOf(member.items ?? {}, `${path}[].`)
        : membersOf(member, `${path}.`);
    return [row, ...nested];
  });
}

function typeOf(schema: Schema): string {
  if (schema.enum !== undefined)
    return schema.enum.map((value) => `\`${String(value)}\``).join(", ");
  const base =
    schema.type === "array" ? `list of ${schema.items?.type ?? "any"}` : (schema.type ?? "any");
  // The bounds of safe integers are those of the type, not of the member.
  const bounds = [
    schema.minimum !== undefined && schema.minimum > Number.MIN_SAFE_INTEGER
      ? `from ${schema.minimum}`
      : "",
    schema.maximum !== undefined && schema.maximum < Number.MAX_SAFE_INTEGER
      ? `to ${schema.maximum}`
      : "",
    schema.maxLength === undefined ? "" : `at most ${schema.maxLength} characters`,
    schema.maxItems === undefined ? "" : `at most ${schema.maxItems}`,
    schema.default === undefined || schema.default === ""
      ? ""
      : `default ${String(schema.default)}`,
  ].filter((bound) => bound !== "");
  return bounds.length === 0 ? base : `${base}, ${bounds.join(" ")}`;
}

function codes(): string {
  const rows = Object.entries(CODE_STATUS).map(([code, status]) => [`\`${code}\``, String(status)]);
  const own = [
    ["`not_found`", "404"],
    ["`method_not_allowed`", "405"],
    ["`not_acceptable`", "406"],
    ["`request_timeout`", "408"],
    ["`unsupported_media_type`", "415"],
  ];
  return [
    "## Codes",
    "Meanings are those of the protocol (spec/protocol.md, section 8).",
    table(["code", "status"], [...rows, ...own]),
  ].join("\n\n");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
