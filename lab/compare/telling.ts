// Owns: what a comparison says on the terminal while it runs, and a second try of what did not
// count.
import { CompareError } from "./compare-error.ts";

export const line = (text: string): void => void process.stdout.write(`${text}\n`);

export function figuresText(figures: Readonly<Record<string, number>>): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
    .join(", ");
}

/**
 * A measurement that does not count, because the machine was busy with something else for a moment,
 * is made once more; then it is left out.
 */
export async function tried<T>(name: string, measured: () => Promise<T>): Promise<T | undefined> {
  for (const outcome of ["once more", "left out"]) {
    try {
      return await measured();
    } catch (error) {
      if (!(error instanceof CompareError)) throw error;
      line(`${name}, ${outcome}: ${error.message}`);
    }
  }
  return undefined;
}
