// Re-exports of the resource: its types, its reading, its memory and its revisions.

export { memoryOf, type StatusFacts, statusOf } from "./memory.ts";
export type { Read } from "./read-fields.ts";
export { revisionOf } from "./revision.ts";
export * from "./set.ts";
