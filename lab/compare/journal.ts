// Owns: the measurements of a run so far. They are written to disk after each one, so that an
// interrupted run can continue.
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Sizes } from "./plan.ts";
import type { CompareResult, Measurement } from "./result.ts";
import type { RivalName } from "./rivals.ts";
import type { ScenarioName } from "./scenario.ts";

/** What does not change from measurement to measurement. */
export type Head<Z = Sizes> = Omit<
  CompareResult<ScenarioName, RivalName, Z>,
  "measurements" | "versions" | "rounds"
>;

interface Line<S extends string, R extends string, Z> {
  readonly head?: Head<Z>;
  readonly measurement?: Measurement<S, R>;
  /** Versions that were seen, by rival. */
  readonly versions?: Readonly<Record<string, string>>;
}

/** One file: a line for the beginning, one for each measurement. */
export class Journal<S extends string = ScenarioName, R extends string = RivalName, Z = Sizes> {
  readonly head: Head<Z>;
  readonly measurements: Measurement<S, R>[] = [];
  readonly versions: Record<string, string> = {};
  readonly #path: string;

  private constructor(path: string, head: Head<Z>) {
    this.#path = path;
    this.head = head;
  }

  /**
   * Continues the file if the plan says so and the sizes are the same; otherwise begins a new one.
   */
  static open<S extends string = ScenarioName, R extends string = RivalName, Z = Sizes>(
    path: string,
    plan: { readonly resume: boolean; readonly sizes: Z },
    head: Head<Z>,
  ): Journal<S, R, Z> {
    const lines = plan.resume ? linesOf<S, R, Z>(path) : [];
    const found = lines[0]?.head;
    if (found !== undefined && JSON.stringify(found.sizes) === JSON.stringify(plan.sizes)) {
      const journal = new Journal<S, R, Z>(path, found);
      for (const line of lines) journal.#take(line);
      return journal;
    }
    rmSync(path, { force: true });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify({ head } satisfies Line<S, R, Z>)}\n`);
    return new Journal<S, R, Z>(path, head);
  }

  has({ scenario, rival, round }: Omit<Measurement<S, R>, "figures">): boolean {
    return this.measurements.some(
      (found) => found.scenario === scenario && found.rival === rival && found.round === round,
    );
  }

  add(measurement: Measurement<S, R>, versions: Readonly<Record<string, string>>): void {
    const line: Line<S, R, Z> = { measurement, versions };
    this.#take(line);
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }

  result(): CompareResult<S, R, Z> {
    const rounds = Math.max(0, ...this.measurements.map(({ round }) => round));
    return { ...this.head, rounds, versions: this.versions, measurements: this.measurements };
  }

  #take({ measurement, versions }: Line<S, R, Z>): void {
    if (measurement !== undefined) this.measurements.push(measurement);
    Object.assign(this.versions, versions);
  }
}

/** Whole lines only: the last one of an interrupted run may be cut. */
function linesOf<S extends string, R extends string, Z>(path: string): readonly Line<S, R, Z>[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line<S, R, Z>);
}
