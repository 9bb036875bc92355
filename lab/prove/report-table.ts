// Owns: the tables that people read outside the terminal, made from a result alone: markdown for
// docs/proof.md, HTML for the report.
import { escapeHtml } from "@holdfast/load/report";
import { COLUMNS, type Column } from "./report-text.ts";
import type { ProofResult } from "./result.ts";

/** One line for each step, with the figures as columns. */
export function markdownTable(
  { steps }: Pick<ProofResult, "steps">,
  columns: readonly Column[] = COLUMNS,
): string {
  const heads = ["step", ...columns.map(({ head }) => head), "holds"];
  const rows = steps.map((step) => [
    step.title,
    ...columns.map(({ cell }) => cell(step)),
    step.failures.length === 0 ? "yes" : "**no**",
  ]);
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [
    line(heads),
    line(heads.map((_, place) => (place === 0 ? "---" : "---:"))),
    ...rows.map(line),
  ].join("\n");
}

export function htmlTable({ steps }: Pick<ProofResult, "steps">): string {
  const heads = ["step", ...COLUMNS.map(({ head }) => head)]
    .map((head) => `<th scope="col">${escapeHtml(head)}</th>`)
    .join("");
  const rows = steps.map((step) => {
    const cells = COLUMNS.map(({ cell }) => `<td>${escapeHtml(cell(step))}</td>`).join("");
    const mark =
      step.failures.length === 0
        ? `<span class="ok">holds</span>`
        : `<span class="bad">fails</span>`;
    return `<tr><th scope="row"><a href="#${step.name}">${escapeHtml(step.title)}</a> ${mark}</th>${cells}</tr>`;
  });
  return `<div class="wide"><table><thead><tr>${heads}</tr></thead><tbody>${rows.join("")}</tbody></table></div>`;
}

/** What was run, in a sentence. */
export function sizeText(result: ProofResult): string {
  const number = (value: number) => value.toLocaleString("en");
  const {
    clients,
    subscriptions,
    channels,
    publishesPerSecond,
    nodes,
    handshakesPerSecond,
    broker,
    seed,
  } = result;
  return `${number(clients)} clients with ${number(subscriptions)} subscriptions to ${number(channels)} channels, ${number(publishesPerSecond)} publishes a second; ${nodes} nodes that accept ${number(handshakesPerSecond)} handshakes a second each (A); broker: ${broker}; seed ${seed}`;
}

export function machineText({ machine, versions, loadBefore, measuredAt }: ProofResult): string {
  const software = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `${measuredAt.slice(0, 10)}; ${machine.processor}, ${machine.cores} cores for everything together, ${machine.memoryGiB} GiB, ${machine.kernel}; ${software.join(", ")}; load average before: ${loadBefore.toFixed(1)}`;
}
