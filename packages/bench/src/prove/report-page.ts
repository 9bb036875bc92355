// Owns: the report as one HTML file that needs nothing else: for the screen in light and dark, and for paper.
import { stepCharts } from "./report-charts.ts";
import { escapeHtml, htmlTable, machineText, sizeText } from "./report-table.ts";
import { closingText } from "./report-text.ts";
import { hasFailed, type ProofResult, type StepResult } from "./result.ts";

const STYLE = `
:root { color-scheme: light dark; --text: #1c2330; --soft: #5b6472; --back: #fff; --line: #d9dee6; --bad: #b3261e; --ok: #1b7f4b;
  --c0: #1f5fbf; --c1: #b4530a; --c2: #1b7f4b; --c3: #8b3fa8; --c4: #0f7c8a; --c5: #a3324e; --c6: #6a6f00; --c7: #555f70; }
@media (prefers-color-scheme: dark) { :root { --text: #e7ebf2; --soft: #a3adbb; --back: #12161d; --line: #2c3440; --bad: #ff8a80; --ok: #6fd3a0;
  --c0: #7fb2ff; --c1: #f3a35c; --c2: #6fd3a0; --c3: #d29bea; --c4: #67d0de; --c5: #f28aa5; --c6: #cfd36a; --c7: #b3bccb; } }
@media print { :root { --text: #000; --soft: #333; --back: #fff; --line: #bbb; --bad: #b3261e; --ok: #1b7f4b;
  --c0: #1f5fbf; --c1: #b4530a; --c2: #1b7f4b; --c3: #8b3fa8; --c4: #0f7c8a; --c5: #a3324e; --c6: #6a6f00; --c7: #555f70; } section { break-inside: avoid; } body { margin: 0; font-size: 10px; } table { font-size: 8px; } } @page { size: A4 landscape; margin: 12mm; }
body { margin: 2rem auto; max-width: 100rem; padding: 0 1rem; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } p, li { max-width: 60rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.5rem; text-align: right; vertical-align: bottom; } td { white-space: nowrap; } tbody th { text-align: left; font-weight: 500; min-width: 15rem; }
thead th { font-weight: 600; } a { color: inherit; } .ok { color: var(--ok); } .bad { color: var(--bad); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 0 1.5rem; } figure { margin: 0.8rem 0; max-width: 45rem; } figcaption { color: var(--soft); font-size: 13px; } svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 10px; }
svg path { fill: none; stroke: currentColor; stroke-width: 1.5; } .grid { stroke: var(--line); } .mark { stroke: var(--soft); stroke-dasharray: 2 3; } .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
.legend { margin: 0; font-size: 13px; } .legend span { margin-right: 0.8rem; } ${Array.from({ length: 8 }, (_, n) => `.c${n} { color: var(--c${n}); }`).join(" ")}
`;

/** The whole page. */
export function reportPage(result: ProofResult): string {
  const { against } = result;
  const failed = hasFailed(result);
  const verdict = failed ? `<span class="bad">The proof fails.</span>` : `<span class="ok">The proof holds.</span>`;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Proof: ${failed ? "fails" : "holds"}</title><style>${STYLE}</style></head>
<body><h1>Nobody disconnects, nothing is lost: the proof</h1>
<p>${verdict} ${escapeHtml(closingText(result))}</p>
<p class="soft">${escapeHtml(sizeText(result))}.<br>${escapeHtml(machineText(result))}.</p>
${htmlTable(result)}
${against === undefined ? "" : `<h2>The same work: ${escapeHtml(against.peer)}</h2>${htmlTable(against)}`}
<p class="soft">Delivery gap: for each client the longest time that a publication took to reach it, from the moment for which its publish was intended; “behind the broker”: from the moment at which the broker had it.
Attempts per client: sockets opened for each lost connection and each move. Everything is counted, nothing sampled; docs/proof.md says how.</p>
${result.steps.map((step) => section(step, result.handshakesPerSecond)).join("\n")}
</body></html>
`;
}

function section(step: StepResult, handshakesPerSecond: number): string {
  const list = (items: readonly string[], name: string) =>
    items.length === 0 ? "" : `<ul class="${name}">${items.map((item) => `<li>${escapeHtml(item)}</li>`).join("")}</ul>`;
  const marks = step.chart.marks.map(({ atMs, text }) => `${(atMs / 1000).toFixed(1)} s ${text}`).join("; ");
  return `<section id="${step.name}"><h2>${escapeHtml(step.title)}</h2>${list(step.failures, "bad")}${list(step.notes, "soft")}
${marks === "" ? "" : `<p class="soft">${escapeHtml(marks)}</p>`}
<div class="charts">${stepCharts(step.chart, handshakesPerSecond)}</div></section>`;
}
