// Owns: the OpenAPI 3.1 document of the control API, made from its table. Pure.
import { PROBLEM } from "./answers.ts";
import { OPERATIONS, type Operation } from "./control-api.ts";
import type { Schema } from "./schemas.ts";

type Json = Readonly<Record<string, unknown>>;

export const API_BASE = "/api/v1";
export const OPENAPI_PATH = `${API_BASE}/openapi.json`;

/** `/api/v1/endpoints/{route}/{address}/drain` */
export const pathOf = ({ path }: Operation): string => [API_BASE, ...path].join("/");

/** The document as a plain value; the same at each call. */
export function openApiDocument(): Json {
  const paths: Record<string, Record<string, Json>> = {};
  for (const operation of OPERATIONS) {
    const path = pathOf(operation);
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: operationOf(operation) };
  }
  paths[OPENAPI_PATH] = {
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
      title: "Holdfast gateway control API",
      version: "1",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      schemas: { Problem: PROBLEM },
      securitySchemes: {
        apiKey: { type: "http", scheme: "bearer", description: "A key of option `apiKeys`." },
      },
      responses: {
        Problem: {
          description: "It was not done.",
          content: {
            "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } },
          },
        },
      },
    },
    security: [{ apiKey: [] }],
  };
}

function operationOf(operation: Operation): Json {
  const { name, summary, description, scope, query, body, answer } = operation;
  return {
    operationId: name,
    summary,
    ...(description === undefined ? {} : { description }),
    "x-scope": scope,
    parameters: [
      ...partsOf(operation).map((part) => parameter(part, "path", PARTS[part] ?? {})),
      ...Object.entries(query ?? {}).map(([part, schema]) => parameter(part, "query", schema)),
    ],
    ...(body === undefined ? {} : { requestBody: { required: true, content: json(body) } }),
    responses: {
      200: { description: "It was done.", content: json(answer) },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

/** Names of the variable parts of the path. */
export const partsOf = ({ path }: Operation): readonly string[] =>
  path.flatMap((part) => /^\{(\w+)\}$/.exec(part)?.[1] ?? []);

const PARTS: Readonly<Record<string, Schema>> = {
  route: { type: "string", description: "Name of a route." },
  address: { type: "string", description: "`host:port` of an endpoint, percent-encoded." },
  id: { type: "string", description: "Of a session." },
};

function parameter(name: string, where: "path" | "query", schema: Schema): Json {
  const { description, ...rest } = schema;
  return {
    ...{ name, in: where, required: where === "path" },
    ...(description === undefined ? {} : { description }),
    schema: rest,
  };
}

const json = (schema: Schema): Json => ({ "application/json": { schema } });
