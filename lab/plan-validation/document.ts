// Owns: the part of the documents that shows a validation.
import { series } from "../micro/series.ts";
import { paragraph } from "../paragraph.ts";
import type { Figure, ValidationResult } from "./result.ts";

const BEGIN = "<!-- validation: generated from benchmarks/plan-validation.json -->";
const END = "<!-- end of validation -->";

/** The text with the tables of a result between its marks; unchanged if it has no marks. */
export function withValidation(text: string, result: ValidationResult): string {
  const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (from === -1 || to === -1) return text;
  return `${text.slice(0, from + BEGIN.length)}\n\n${validationText(result)}\n\n${text.slice(to)}`;
}

function validationText({
  measuredAt,
  machine,
  versions,
  rounds,
  loadBefore,
  costs,
  figures,
}: ValidationResult): string {
  const rows = figures.map((figure) => {
    const { run, name, unit, predicted, measured } = figure;
    return `| ${run} | ${name}${unit === "" ? "" : `, ${unit}`} | ${spread(predicted)} | ${spread(measured)} | ${difference(figure)} |`;
  });
  return [
    paragraph(
      `Measured ${measuredAt.slice(0, 10)}, ${rounds === 1 ? "in one round" : `medians of ${rounds} rounds, with the least and the most in brackets`}. The machine: ${machine.processor}, ${machine.cores} cores for nodes and load together, ${machine.memoryGiB} GiB, ${machine.kernel}, Bun ${versions.bun}. The load average before: ${loadBefore.toFixed(1)}.`,
    ),
    "",
    "| run | figure | predicted (over 9 seeds, if chance matters) | measured | predicted is off by |",
    "| --- | --- | ---: | ---: | ---: |",
    ...rows,
    "",
    paragraph(
      `The model used what the same run measured of this machine. An empty node has ${Math.round(costs.nodeBytes / 1e6)} MB and uses ${(costs.nodeIdleUs / 1e4).toFixed(1)} % of a core. A new connection costs ${costs.upgradeUs} µs until it is upgraded, and ${costs.connectUs} µs until it has a session. A subscription costs ${costs.subscribeUs} µs. To refuse a connection costs ${costs.refuseUs} µs. A socket takes ${Math.round(costs.socketBytes)} bytes of the kernel.`,
    ),
  ].join("\n");
}

const shown = (value: number): string => {
  if (value === 0) return "0";
  return Math.abs(value) < 10
    ? value.toFixed(2)
    : Math.abs(value) < 100
      ? value.toFixed(1)
      : Math.round(value).toLocaleString("en-US");
};

function spread(values: readonly number[]): string {
  const { median, least, most } = series(values);
  return shown(least) === shown(most)
    ? shown(median)
    : `${shown(median)} (${shown(least)}–${shown(most)})`;
}

/** How far above (+) or below (-) the measured one the prediction is. */
function difference({ predicted, measured }: Figure): string {
  const [said, found] = [series(predicted).median, series(measured).median];
  if (found === 0) return said === 0 ? "0 %" : "–";
  const share = Math.round((said / found - 1) * 100);
  return share === 0 ? "0 %" : `${share > 0 ? "+" : "−"}${Math.abs(share)} %`;
}
