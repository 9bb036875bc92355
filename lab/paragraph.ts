// Owns: breaking a paragraph of a generated document into lines that a diff can show.

const COLUMNS_MAX = 100;

/** The text in lines of at most 100 columns; links and code stay whole. */
export function paragraph(text: string): string {
  const words = text.match(/(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|\S)+/g) ?? [];
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > COLUMNS_MAX) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}
