// Owns: what a pipeline's tables know: answers of the application's functions, kept for a time and
// in a number, asked for before the events that need them run.
import type { Clock } from "@holdfast/core";
import type { PipelineDefinition, Step } from "../define/types.ts";
import { compile } from "../engine/compile.ts";
import { aboutOf, type PipelineEvent } from "../engine/engine.ts";
import type { Run, Tables } from "../engine/run.ts";

/** Attempts of one lookup before its event is a dead letter. */
const ATTEMPTS_MAX = 3;
/** Calls of the application's function at once. */
const CALLS_MAX = 16;

interface Answer {
  readonly found: { readonly value: unknown } | "failed" | undefined;
  readonly untilMs: number;
}

type FunctionTable = Extract<
  Extract<Step, { kind: "lookup" }>["table"],
  { readonly kind: "function" }
>;

/** A lookup of an application's function, and what finds out what it will be asked. */
interface Scout {
  readonly table: number;
  readonly definition: FunctionTable;
  readonly run: Run;
  readonly push: (value: unknown) => void;
  readonly wanted: Set<string>;
}

/** What the node knows of `latest` channels. */
export interface LatestTables {
  find(channel: string, key: string): { readonly value: unknown } | undefined;
}

export class Lookups implements Tables {
  readonly #clock: Clock;
  readonly #latest: LatestTables;
  readonly #tables: readonly Extract<Step, { kind: "lookup" }>["table"][];
  readonly #scouts: readonly Scout[];
  readonly #known: Map<string, Answer>[];

  constructor(
    definition: PipelineDefinition,
    tables: readonly Extract<Step, { kind: "lookup" }>["table"][],
    ports: { readonly clock: Clock; readonly latest: LatestTables },
  ) {
    this.#clock = ports.clock;
    this.#latest = ports.latest;
    this.#tables = tables;
    this.#known = tables.map(() => new Map());
    this.#scouts = scoutsOf(definition, this);
  }

  /** Whether events have to wait for `prepare`. */
  get asks(): boolean {
    return this.#scouts.length > 0;
  }

  find(table: number, key: string): { readonly value: unknown } | "failed" | undefined {
    const definition = this.#tables[table];
    if (definition?.kind === "latest") return this.#latest.find(definition.channel, key);
    return this.#known[table]?.get(key)?.found;
  }

  /** Asks for what these events will look for. Never rejects. */
  async prepare(
    channel: string,
    params: Readonly<Record<string, string>>,
    events: readonly PipelineEvent[],
  ): Promise<void> {
    for (const scout of this.#scouts) {
      for (const event of events) {
        scout.run.about = aboutOf(channel, params, event);
        scout.run.offset = event.offset;
        scout.push(event.value);
      }
      const nowMs = this.#clock.nowMs();
      const known = this.#known[scout.table] ?? new Map<string, Answer>();
      // What this batch needs is the newest, and stays.
      for (const key of scout.wanted) {
        const answer = known.get(key);
        if (answer === undefined) continue;
        known.delete(key);
        known.set(key, answer);
      }
      const keysMax = Math.max(scout.definition.keysMax, scout.wanted.size);
      const asked = [...scout.wanted].filter((key) => !((known.get(key)?.untilMs ?? -1) > nowMs));
      scout.wanted.clear();
      for (let at = 0; at < asked.length; at += CALLS_MAX)
        await Promise.all(
          asked.slice(at, at + CALLS_MAX).map((key) => this.#ask(scout, known, key)),
        );
      while (known.size > keysMax) known.delete(known.keys().next().value ?? "");
    }
  }

  async #ask({ definition }: Scout, known: Map<string, Answer>, key: string): Promise<void> {
    const { keepMs } = definition;
    let found: Answer["found"] = "failed";
    for (let attempt = 1; attempt <= ATTEMPTS_MAX && found === "failed"; attempt++)
      found = await this.#attempt(definition, key);
    known.delete(key);
    // What failed is asked again for the next batch.
    const untilMs = found === "failed" ? -1 : this.#clock.nowMs() + keepMs;
    known.set(key, { found, untilMs });
  }

  #attempt({ find, timeoutMs }: FunctionTable, key: string): Promise<Answer["found"]> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(timeoutMs, () => resolve("failed"));
      const asked = async (): Promise<unknown> => find(key);
      asked().then(
        (value) => {
          cancel();
          resolve(value === undefined ? undefined : { value });
        },
        () => {
          cancel();
          resolve("failed");
        },
      );
    });
  }
}

/** Every step before a lookup is pure (`pipelineProblems`), so it can run once more for its key. */
function scoutsOf(definition: PipelineDefinition, tables: Tables): Scout[] {
  let table = -1;
  return definition.steps.flatMap((step, index) => {
    if (step.kind !== "lookup") return [];
    table += 1;
    if (step.table.kind !== "function") return [];
    const wanted = new Set<string>();
    const by = step.by as (value: unknown, about: unknown) => unknown;
    const { run, first } = compile(definition, {
      upTo: index,
      end: (run) => ({
        push(value: unknown): void {
          try {
            wanted.add(String(by(value, run.about)));
          } catch {
            // The step itself makes a dead letter of it.
          }
        },
        advance: () => {},
        tick: () => {},
      }),
    });
    run.tables = tables;
    const push = (value: unknown): void => first.push(value);
    return [{ table, definition: step.table, run, push, wanted }];
  });
}
