// Re-exports of pipelines in text.
export { compileExpression, type Expression } from "./expression.ts";
export { ExpressionError, FUNCTIONS } from "./functions.ts";
export { type ParsedPipelines, parsePipelines } from "./parse.ts";
