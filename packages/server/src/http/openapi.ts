// Owns: the OpenAPI 3.1 document of the HTTP API, made from the table of routes. Pure.
import { z } from "zod";
import { INGEST, INGEST_PATH, ingestInput, ingestOutput, ingestQuery } from "./ingest-schemas.ts";
import { OPENAPI_PATH } from "./operations.ts";
import type { Route, StreamRoute } from "./route.ts";
import { BATCH_PATH, batchInput, batchOutput } from "./routes/batch.ts";
import { API_BASE, ROUTES, STREAM_ROUTES } from "./routes/index.ts";
import { problem } from "./schemas.ts";

type Json = Record<string, unknown>;

export const BATCH = {
  name: "batch",
  summary: "Carry out many commands, one after another.",
  description:
    "A command is an operation's input with its name as `op`; every operation may be one but batch, broadcast, drain, undrain and shed. All commands and the " +
    "key's scopes for them are checked before the first is carried out; a failure does not stop those behind it. With the header Idempotency-Key, command " +
    "n (from 0) has the key `<key>/n` unless it brings its own.",
} as const;

/** The document as a plain value; the same at each call. */
export function openApiDocument(): Json {
  const paths: Record<string, Json> = {};
  for (const route of ROUTES)
    paths[API_BASE + route.path] = { [route.method.toLowerCase()]: routeOperation(route) };
  for (const route of STREAM_ROUTES) paths[API_BASE + route.path] = { get: streamOperation(route) };
  paths[API_BASE + BATCH_PATH] = { post: batchOperation() };
  paths[API_BASE + INGEST_PATH] = { post: ingestOperation() };
  paths[API_BASE + OPENAPI_PATH] = {
    get: {
      operationId: "openapi",
      summary: "This document.",
      security: [],
      responses: {
        200: { description: "An OpenAPI 3.1 document.", content: json({ type: "object" }) },
      },
    },
  };
  return {
    openapi: "3.1.0",
    info: {
      title: "Holdfast HTTP API",
      version: "1",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: { Problem: schemaOf(problem, "output") },
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "An API key of option `apiKeys`." },
      },
      responses: {
        Problem: {
          description: "It was not done.",
          content: { "application/problem+json": { schema: PROBLEM_REF } },
        },
      },
    },
    security: [{ apiKey: [] }],
  };
}

const PROBLEM_REF = { $ref: "#/components/schemas/Problem" };

function routeOperation(route: Route): Json {
  const isRead = route.method === "GET";
  const input = schemaOf(route.input, "input");
  return {
    operationId: route.name,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    "x-scope": route.scope,
    ...(isRead
      ? { parameters: parametersOf(input) }
      : { parameters: keyParameter(route.name), requestBody: bodyOf(input) }),
    responses: responsesOf(route.status, schemaOf(route.output, "output")),
  };
}

/** OpenAPI 3.1 has no word for the items of a stream: the schema is that of one of its lines. */
function streamOperation(route: StreamRoute): Json {
  const lines = Object.entries(streamEvents(route)).map(([event, data]) => ({
    title: event,
    type: "object",
    properties: {
      event: { const: event },
      id: { type: "string", description: "Where a reader that has this event can go on." },
      data,
    },
    required: ["event", "data"],
  }));
  const alive = {
    title: "alive",
    type: "object",
    properties: { event: { const: "alive" } },
    required: ["event"],
  };
  const sse = "Server-sent events: `event`, `id`, and `data` as JSON. Comments are signs of life.";
  return {
    operationId: route.name,
    summary: route.summary,
    ...(route.description === undefined ? {} : { description: route.description }),
    "x-scope": route.scope,
    "x-stream": true,
    parameters: [
      ...parametersOf(schemaOf(route.input, "input")),
      {
        name: "Last-Event-ID",
        in: "header",
        required: false,
        description: "The same as `after`.",
        schema: { type: "string" },
      },
    ],
    responses: {
      200: {
        description: "A stream of events, one JSON object in each line.",
        content: {
          "application/x-ndjson": { schema: { oneOf: [...lines, alive] } },
          "text/event-stream": { schema: { type: "string", description: sse } },
        },
      },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

/** The schemas of a stream's events, by their names. */
export const streamEvents = (route: StreamRoute): Readonly<Record<string, Json>> => ({
  ...Object.fromEntries(
    Object.entries(route.events).map(([event, data]) => [event, schemaOf(data, "output")]),
  ),
  error: PROBLEM_REF,
});

function batchOperation(): Json {
  const commands = ROUTES.filter((route) => route.batchable).map((route) => {
    const { properties, required, ...schema } = schemaOf(route.input, "input") as {
      properties?: Json;
      required?: string[];
    } & Json;
    return {
      ...schema,
      title: route.name,
      properties: { op: { const: route.name }, ...properties },
      required: ["op", ...(required ?? [])],
    };
  });
  const input = schemaOf(batchInput, "input") as { properties: { commands: Json } };
  input.properties.commands = { ...input.properties.commands, items: { oneOf: commands } };
  return {
    operationId: BATCH.name,
    summary: BATCH.summary,
    description: BATCH.description,
    parameters: keyParameter(BATCH.name),
    requestBody: bodyOf(input),
    responses: responsesOf(200, schemaOf(batchOutput, "output")),
  };
}

function ingestOperation(): Json {
  const text = { schema: { type: "string" } };
  const event = { schema: { type: "object" } };
  const answer = { content: json(schemaOf(ingestOutput, "output")) };
  return {
    operationId: INGEST.name,
    summary: INGEST.summary,
    description: INGEST.description,
    "x-scope": "publish",
    parameters: [
      ...parametersOf(schemaOf(ingestQuery, "input")),
      ...keyParameter(INGEST.name),
      {
        name: "Content-Encoding",
        in: "header",
        required: false,
        schema: { type: "string", enum: ["gzip", "zstd"] },
      },
    ],
    requestBody: {
      required: true,
      content: {
        ...json(schemaOf(ingestInput, "input")),
        "application/x-ndjson": text,
        "application/octet-stream": text,
        "application/cloudevents+json": event,
        "application/cloudevents-batch+json": { schema: { type: "array", items: event.schema } },
      },
    },
    responses: {
      202: { description: "The broker has all events.", ...answer },
      207: { description: "The broker has some of the events.", ...answer },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

/** Operations that publish take the header. */
function keyParameter(operation: string): Json[] {
  if (!["publish", "broadcast", "batch", "ingest"].includes(operation)) return [];
  return [
    {
      name: "Idempotency-Key",
      in: "header",
      required: false,
      description: "The same as member `idempotencyKey`.",
      schema: { type: "string", minLength: 1, maxLength: 128 },
    },
  ];
}

function parametersOf(input: Json): Json[] {
  const { properties = {}, required = [] } = input as {
    properties?: Record<string, Json>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, { description, ...schema }]) => ({
    name,
    in: "query",
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema,
  }));
}

function responsesOf(status: number, schema: Json): Json {
  return {
    [status]: { description: "It was done.", content: json(schema) },
    default: { $ref: "#/components/responses/Problem" },
  };
}

const bodyOf = (schema: Json): Json => ({ required: true, content: json(schema) });
const json = (schema: Json): Json => ({ "application/json": { schema } });

/** JSON Schema 2020-12, which OpenAPI 3.1 takes as it is. */
export function schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
  const { $schema: _dialect, ...rest } = z.toJSONSchema(schema, { io, target: "draft-2020-12" });
  return rest;
}
