// Owns: breaking the text of a generated document into lines that a diff can show.

const COLUMNS_MAX = 100;

/** The text in lines of at most 100 columns; links and code stay whole. */
export function paragraph(text: string, indent = ""): string {
  const words = text.match(/(?:`[^`]*`|\[[^\]]*\]\([^)]*\)|\S)+/g) ?? [];
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last === undefined) lines.push(word);
    else if (last.length + 1 + word.length > COLUMNS_MAX) lines.push(indent + word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.join("\n");
}

/** A Markdown page whose paragraphs and items of lists, each in one line, are broken. */
export function filledPage(page: string): string {
  let isCode = false;
  return page
    .split("\n")
    .map((line) => {
      if (line.startsWith("```")) isCode = !isCode;
      if (isCode || /^\s*([|#<]|```)/.test(line) || line.length <= COLUMNS_MAX) return line;
      return paragraph(line, line.startsWith("- ") ? "  " : "");
    })
    .join("\n");
}
