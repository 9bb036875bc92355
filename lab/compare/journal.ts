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
import type { Plan } from "./plan.ts";
import type { CompareResult, Measurement } from "./result.ts";

/** What does not change from measurement to measurement. */
export type Head = Omit<CompareResult, "measurements" | "versions" | "rounds">;

interface Line {
  readonly head?: Head;
  readonly measurement?: Measurement;
  /** Versions that were seen, by rival. */
  readonly versions?: Readonly<Record<string, string>>;
}

/** One file: a line for the beginning, one for each measurement. */
export class Journal {
  readonly head: Head;
  readonly measurements: Measurement[] = [];
  readonly versions: Record<string, string> = {};
  readonly #path: string;

  private constructor(path: string, head: Head) {
    this.#path = path;
    this.head = head;
  }

  /**
   * Continues the file if the plan says so and the sizes are the same; otherwise begins a new one.
   */
  static open(path: string, plan: Pick<Plan, "resume" | "sizes">, head: Head): Journal {
    const lines = plan.resume ? linesOf(path) : [];
    const found = lines[0]?.head;
    if (found !== undefined && JSON.stringify(found.sizes) === JSON.stringify(plan.sizes)) {
      const journal = new Journal(path, found);
      for (const line of lines) journal.#take(line);
      return journal;
    }
    rmSync(path, { force: true });
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify({ head } satisfies Line)}\n`);
    return new Journal(path, head);
  }

  has({ scenario, rival, round }: Omit<Measurement, "figures">): boolean {
    return this.measurements.some(
      (found) => found.scenario === scenario && found.rival === rival && found.round === round,
    );
  }

  add(measurement: Measurement, versions: Readonly<Record<string, string>>): void {
    const line: Line = { measurement, versions };
    this.#take(line);
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }

  result(): CompareResult {
    const rounds = Math.max(0, ...this.measurements.map(({ round }) => round));
    return { ...this.head, rounds, versions: this.versions, measurements: this.measurements };
  }

  #take({ measurement, versions }: Line): void {
    if (measurement !== undefined) this.measurements.push(measurement);
    Object.assign(this.versions, versions);
  }
}

/** Whole lines only: the last one of an interrupted run may be cut. */
function linesOf(path: string): readonly Line[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Line);
}
