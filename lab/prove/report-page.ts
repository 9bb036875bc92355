// Owns: the report as one HTML file that needs nothing else: for the screen in light and dark, and
// for paper.
import { escapeHtml, htmlPage } from "@holdfast/load/report";
import { stepCharts } from "./report-charts.ts";
import { htmlTable, machineText, sizeText } from "./report-table.ts";
import { closingText } from "./report-text.ts";
import { hasFailed, type ProofResult, type StepResult } from "./result.ts";

/** The whole page. */
export function reportPage(result: ProofResult): string {
  const { against } = result;
  const failed = hasFailed(result);
  const verdict = failed
    ? `<span class="bad">The proof fails.</span>`
    : `<span class="ok">The proof holds.</span>`;
  const body = `<h1>Nobody disconnects, nothing is lost: the proof</h1>
<p>${verdict} ${escapeHtml(closingText(result))}</p>
<p class="soft">${escapeHtml(sizeText(result))}.<br>${escapeHtml(machineText(result))}.</p>
${htmlTable(result)}
${against === undefined ? "" : `<h2>The same work: ${escapeHtml(against.rival)}</h2>${htmlTable(against)}`}
<p class="soft">Delivery gap: for each client the longest time that a publication took to reach it, from the moment for which its publish was intended; “behind the broker”: from the moment at which the broker had it.
Attempts per client: sockets opened for each lost connection and each move. Everything is counted, nothing sampled; docs/proof.md says how.</p>
${result.steps.map((step) => section(step, result.handshakesPerSecond)).join("\n")}
`.trimEnd();
  return htmlPage({ title: `Proof: ${failed ? "fails" : "holds"}`, body });
}

function section(step: StepResult, handshakesPerSecond: number): string {
  const list = (items: readonly string[], name: string) =>
    items.length === 0
      ? ""
      : `<ul class="${name}">${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
  const marks = step.chart.marks
    .map(({ atMs, text }) => `${(atMs / 1000).toFixed(1)} s ${text}`)
    .join("; ");
  return `<section id="${step.name}"><h2>${escapeHtml(step.title)}</h2>${list(step.failures, "bad")}${list(step.notes, "soft")}
${marks === "" ? "" : `<p class="soft">${escapeHtml(marks)}</p>`}
<div class="charts">${stepCharts(step.chart, handshakesPerSecond)}</div></section>`;
}
