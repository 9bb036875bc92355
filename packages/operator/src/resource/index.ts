// Re-exports of the resource: its types, its reading, its memory and its revisions.

export type { Field, Rule, SectionField } from "./fields.ts";
export { INVALID_TEMPLATE, memoryOf, refusalOf, type StatusFacts, statusOf } from "./memory.ts";
export * from "./names.ts";
export type { Read } from "./read-fields.ts";
export { ADDED_LABELS, revisionOf } from "./revision.ts";
export { rfc3339 } from "./rfc3339.ts";
export * from "./set.ts";
export { SET_SPEC } from "./set-fields.ts";
export { OWNED_LABELS, SET_NAME_MAX } from "./set-rules.ts";
export { DECISION, RELEASE_SPEC, RELEASE_STATUS, SET_STATUS } from "./status-fields.ts";
