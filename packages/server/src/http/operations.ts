// Owns: which operation a path means.
import { INGEST_PATH } from "./ingest-schemas.ts";
import type { Route, StreamRoute } from "./route.ts";
import { BATCH_PATH } from "./routes/batch.ts";
import { API_BASE, ROUTES, STREAM_ROUTES } from "./routes/index.ts";

export const OPENAPI_PATH = "/openapi.json";

/** A route of one of the tables, a batch of commands, or the document that describes them. */
export type Operation =
  | {
      readonly kind: "route";
      readonly name: string;
      readonly method: "GET" | "POST";
      readonly route: Route;
    }
  | {
      readonly kind: "stream";
      readonly name: string;
      readonly method: "GET";
      readonly route: StreamRoute;
    }
  | { readonly kind: "batch"; readonly name: string; readonly method: "POST" }
  | { readonly kind: "ingest"; readonly name: string; readonly method: "POST" }
  | { readonly kind: "document"; readonly name: string; readonly method: "GET" };

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ...ROUTES.map((route): [string, Operation] => [
    API_BASE + route.path,
    { kind: "route", name: route.name, method: route.method, route },
  ]),
  ...STREAM_ROUTES.map((route): [string, Operation] => [
    API_BASE + route.path,
    { kind: "stream", name: route.name, method: route.method, route },
  ]),
  [API_BASE + BATCH_PATH, { kind: "batch", name: "batch", method: "POST" }],
  [API_BASE + INGEST_PATH, { kind: "ingest", name: "ingest", method: "POST" }],
  [API_BASE + OPENAPI_PATH, { kind: "document", name: "openapi", method: "GET" }],
]);

/** Every path of the API. */
export const OPERATION_PATHS: readonly string[] = [...OPERATIONS.keys()];

/** Exact paths only. */
export const operationAt = (path: string): Operation | undefined => OPERATIONS.get(path);
