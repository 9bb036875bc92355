// Owns: the pipelines of a contract, which knows only that they are some.
import type { PipelineDefinition } from "./types.ts";

/** Pipelines by name, or what is wrong. */
export type DeclaredPipelines =
  | { readonly ok: true; readonly pipelines: ReadonlyMap<string, PipelineDefinition> }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What a contract declares under `pipelines`. It may come from JavaScript. */
export function declaredPipelines(contract: {
  readonly pipelines?: { readonly [Name in string]: unknown } | undefined;
}): DeclaredPipelines {
  const pipelines = new Map<string, PipelineDefinition>();
  const problems: string[] = [];
  for (const [name, declared] of Object.entries(contract.pipelines ?? {})) {
    const { definition } = (declared ?? {}) as { readonly definition?: unknown };
    const { kind, steps } = (definition ?? {}) as Partial<PipelineDefinition>;
    if (kind === "pipeline" && Array.isArray(steps))
      pipelines.set(name, definition as PipelineDefinition);
    else problems.push(`Cannot use pipeline "${name}": found none, expected pipeline(from(...))`);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, pipelines };
}
