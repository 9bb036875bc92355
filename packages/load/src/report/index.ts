// Re-exports of what reports in HTML are made of.
export { escapeHtml, htmlPage, LINE_COLOURS } from "./html.ts";
export { type Line, type LineChart, lineChart, secondTicks } from "./line-chart.ts";
