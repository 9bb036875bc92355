// Owns: `holdfast pipeline test`: golden tests for users' own CI.
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { runOffline } from "@holdfast/pipelines";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { refuse } from "./check.ts";
import { diffLines } from "./diff.ts";
import { recordLine } from "./events-file.ts";
import { loadPipelines } from "./load.ts";
import { readEvents } from "./run.ts";

export interface TestOptions {
  readonly cases: string;
  readonly update?: boolean;
}

const EVENTS = ".events.ndjson";

/**
 * A case `engineHeat.late.events.ndjson` is for pipeline `engineHeat`: its name is up to the first
 * dot. What it gives is compared line by line with `engineHeat.late.expected.ndjson`.
 */
export async function testPipelines(
  file: string,
  options: TestOptions,
  host: Host,
): Promise<number> {
  const loaded = await loadPipelines(file, host);
  if (!loaded.ok) return refuse(loaded.problems, host);
  const folder = resolve(host.cwd, options.cases);
  const files = await readdir(folder).catch(() => []);
  const cases = files.filter((name) => name.endsWith(EVENTS)).sort();
  if (cases.length === 0) return refuse([`Cannot find a file *${EVENTS} in ${folder}`], host);
  let [passed, failed] = [0, 0];
  for (const name of cases) {
    const stem = name.slice(0, -EVENTS.length);
    const pipeline = loaded.pipelines.get(stem.split(".")[0] ?? "");
    if (pipeline === undefined) {
      host.err(`fail  ${stem}: there is no pipeline of that name\n`);
      failed += 1;
      continue;
    }
    const { records, account } = runOffline(pipeline, await readEvents(join(folder, name), false));
    const found = [...records.map(recordLine), accountLine(account.events)];
    const target = join(folder, `${stem}.expected.ndjson`);
    if (options.update === true) await writeFile(target, `${found.join("\n")}\n`);
    const expected = await readFile(target, "utf8").catch(() => undefined);
    const differences = diffLines(
      (expected ?? "").split("\n").filter((line) => line !== ""),
      found,
    );
    if (differences.length === 0) {
      passed += 1;
      host.out(`ok    ${stem}\n`);
    } else {
      failed += 1;
      const why = expected === undefined ? " (no expected file: --update writes it)" : "";
      host.out(`fail  ${stem}${why}\n${differences.map((line) => `      ${line}\n`).join("")}`);
    }
  }
  host.out(`${passed} passed, ${failed} failed\n`);
  return failed === 0 ? EXIT.ok : EXIT.failed;
}

/** What became of the events is part of what is expected. */
function accountLine(events: object): string {
  const counts = Object.entries(events).filter(([, count]) => count !== 0);
  return JSON.stringify({ account: Object.fromEntries(counts) });
}
