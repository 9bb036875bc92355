// Re-exports of back ends that answer hooks and RPCs.
export { BackEnd, type BackEndOutcome } from "./back-end.ts";
export { withBackEnds } from "./definition.ts";
export type { Question } from "./message.ts";
export { type BackEndParts, openBackEnds } from "./open-back-ends.ts";
