// Re-exports of the HTTP API, the internal pages and readiness.
export { createHttpApi, type HttpApi, type HttpApiOptions } from "./api.ts";
export {
  type ApiKeys,
  type Caller,
  createApiKeys,
  createFailureLimit,
  type FailureLimit,
} from "./api-keys.ts";
export { createInternalHandler, type InternalOptions } from "./internal.ts";
export { openApiDocument } from "./openapi.ts";
export { OPERATION_PATHS } from "./operations.ts";
export { CODE_STATUS } from "./problem.ts";
export {
  createReadiness,
  type Readiness,
  type ReadinessOptions,
  type ReadinessReport,
  type UnreadyReason,
} from "./readiness.ts";
export { renderHttpApiReference, renderOpenApi } from "./reference.ts";
export { API_BASE } from "./routes/index.ts";
