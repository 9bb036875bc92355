// Owns: the files that are made from the results of comparisons of telemetry: one page, and its
// charts.
import { barChart } from "../compare/bar-chart.ts";
import { count, line, picture } from "../compare/cells.ts";
import { THEMES } from "../compare/charts.ts";
import type { GeneratedFile } from "../compare/generated.ts";
import { filledPage } from "../paragraph.ts";
import { SUBJECT_NAMES, type Subject, type SubjectName, type TelemetryResult } from "./subject.ts";
import { SUBJECTS } from "./subjects.ts";

/** Results by subject; one that was never measured is absent. */
export type Results = Readonly<Partial<Record<SubjectName, TelemetryResult>>>;

export const TELEMETRY_PAGE = "docs/benchmarks/telemetry.md";
export const resultPath = (name: SubjectName): string => `docs/benchmarks/${name}.json`;

export function telemetryFiles(results: Results): readonly GeneratedFile[] {
  const found = entriesOf(results);
  const charts = found.flatMap(([subject, result]) =>
    Object.entries(subject.charts(result)).flatMap(([name, chart]) =>
      chart.bars.length === 0
        ? []
        : THEMES.map(
            (theme): GeneratedFile => ({
              path: `docs/benchmarks/${name}-${theme}.svg`,
              text: barChart(chart, theme),
            }),
          ),
    ),
  );
  return found.length === 0
    ? []
    : [{ path: TELEMETRY_PAGE, text: telemetryDocument(results) }, ...charts];
}

export function telemetryDocument(results: Results): string {
  const found = entriesOf(results);
  return filledPage(
    `${[
      "# Benchmarks of telemetry",
      "<!-- Generated from the results beside this page by `npm run generate`; a check compares them. `npm run bench:compare -- --mqtt` and `-- --pipelines` measure anew. -->",
      "This page compares the same work on Holdfast and on others, side by side. The servers take turns within a round, where nothing else is said. Figures are medians, with the least and the most of all rounds in brackets.",
      `\`\`\`sh\n${SUBJECT_NAMES.map((name) => `npm run bench:compare -- --${name}`).join("\n")}\nnpm run bench:compare -- --mqtt --quick   # one short round, docs are left alone\n\`\`\``,
      "## Targets",
      targetTable(found),
      ...found.flatMap(([subject, result]) =>
        subject.sections(result, (name) => {
          const chart = subject.charts(result)[name];
          return chart === undefined || chart.bars.length === 0
            ? ""
            : picture(name, barChart(chart, "light"), "");
        }),
      ),
      "## Where it was measured",
      found.map(([, result]) => placeOf(result)).join("\n"),
    ]
      .filter((part) => part !== "")
      .join("\n\n")}\n`,
  );
}

function targetTable(found: readonly (readonly [Subject, TelemetryResult])[]): string {
  const targets = found.flatMap(([subject, result]) => subject.targets(result));
  const whys = targets.flatMap(({ title, met, why }) =>
    met || why === undefined ? [] : [`${title}: ${why}`],
  );
  const table = [
    line(["target", "wanted", "found", ""]),
    line(["---", "---", "---:", "---"]),
    ...targets.map(({ title, wanted, found: figure, met }) =>
      line([title, wanted, figure, met ? "met" : "**missed**"]),
    ),
  ].join("\n");
  return [table, ...whys].join("\n\n");
}

function placeOf({ measuredAt, rounds, machine, pinned, loadBefore, quick }: TelemetryResult) {
  const pins =
    pinned === undefined
      ? "Processes could not be pinned to cores."
      : `The server is pinned to ${pinned.servers}, the load and everything else to ${pinned.load}.`;
  return `- ${measuredAt.slice(0, 10)}, ${rounds === 1 ? "one round" : `${rounds} rounds`}${quick ? " of a quick run: the figures are rough" : ""}. ${machine.processor}, ${count(machine.cores)} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, loopback; load average before: ${loadBefore.toFixed(2)}. ${pins}`;
}

const entriesOf = (results: Results): readonly (readonly [Subject, TelemetryResult])[] =>
  SUBJECT_NAMES.flatMap((name) => {
    const result = results[name];
    return result === undefined ? [] : [[SUBJECTS[name], result] as const];
  });
