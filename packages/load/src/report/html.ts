// Owns: the shared parts of this package's HTML reports: their style on screen (light and dark) and
// on paper, and escaping. Each report is one file that needs no other.

export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);

/** Colours of lines: classes c0 to c7. */
export const LINE_COLOURS = 8;

const LIGHT_LINES =
  "--c0: #1f5fbf; --c1: #b4530a; --c2: #1b7f4b; --c3: #8b3fa8; --c4: #0f7c8a; --c5: #a3324e; --c6: #6a6f00; --c7: #555f70;";
const DARK_LINES =
  "--c0: #7fb2ff; --c1: #f3a35c; --c2: #6fd3a0; --c3: #d29bea; --c4: #67d0de; --c5: #f28aa5; --c6: #cfd36a; --c7: #b3bccb;";

const STYLE = `
:root { color-scheme: light dark; --text: #1c2330; --soft: #5b6472; --back: #fff; --line: #d9dee6; --bad: #b3261e; --ok: #1b7f4b; ${LIGHT_LINES} }
@media (prefers-color-scheme: dark) { :root { --text: #e7ebf2; --soft: #a3adbb; --back: #12161d; --line: #2c3440; --bad: #ff8a80; --ok: #6fd3a0; ${DARK_LINES} } }
body { margin: 2rem auto; max-width: 100rem; padding: 0 1rem; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2.5rem; } p, li { max-width: 60rem; } .soft { color: var(--soft); }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.5rem; text-align: right; vertical-align: bottom; } td { white-space: nowrap; } tbody th { text-align: left; font-weight: 500; min-width: 15rem; }
thead th { font-weight: 600; } thead th:first-child { text-align: left; } a { color: inherit; } .ok { color: var(--ok); } .bad { color: var(--bad); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 0 1.5rem; } figure { margin: 0.8rem 0; max-width: 45rem; } figcaption { color: var(--soft); font-size: 13px; } svg { width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 10px; }
svg path { fill: none; stroke: currentColor; stroke-width: 1.5; } svg circle { fill: currentColor; } .grid { stroke: var(--line); } .mark { stroke: var(--soft); stroke-dasharray: 2 3; } .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
.legend { margin: 0; font-size: 13px; } .legend span { margin-right: 0.8rem; white-space: nowrap; } .legend span::before { content: "━ "; } ${Array.from({ length: LINE_COLOURS }, (_, n) => `.c${n} { color: var(--c${n}); }`).join(" ")}
@media print { :root { --text: #000; --soft: #333; --back: #fff; --line: #bbb; --bad: #b3261e; --ok: #1b7f4b; ${LIGHT_LINES} } section, figure, table { break-inside: avoid; } body { margin: 0; font-size: 10px; } table { font-size: 8px; } th, td { padding: 0.2rem 0.35rem; } .wide { overflow-x: visible; } } @page { size: A4 landscape; margin: 12mm; }
`;

/** A whole page; `title` is text, `body` and `style` are markup. */
export function htmlPage({
  title,
  body,
  style = "",
}: {
  readonly title: string;
  readonly body: string;
  readonly style?: string;
}): string {
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title><style>${STYLE}${style}</style></head>
<body>${body}
</body></html>
`;
}
