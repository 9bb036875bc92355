// Owns: a page of all options, made from their table.
import { type OptionRow, type OptionTable, optionRows } from "./table.ts";

/** All options in sections, as markdown, behind `head`. */
export function optionsReference(
  table: Pick<OptionTable<never>, "options" | "envPrefix">,
  head: string,
): string {
  const sections = new Map<string, OptionRow[]>();
  for (const row of optionRows(table)) {
    const section = row.name.includes(".") ? row.name.slice(0, row.name.lastIndexOf(".")) : "node";
    sections.set(section, [...(sections.get(section) ?? []), row]);
  }
  return `${head}${[...sections].map(([name, rows]) => sectionText(name, rows)).join("")}`;
}

function sectionText(name: string, rows: readonly OptionRow[]): string {
  const lines = rows.map(({ name: option, env, flag, option: row }) => {
    const also = flag === undefined ? `\`${env}\`` : `\`${env}\`<br>\`${flag}\``;
    const notes = [row.live ? "Live." : undefined, row.secret ? "Secret." : undefined].filter(
      (note) => note !== undefined,
    );
    return `| \`${option}\` | ${defaultText(row)} | ${cell(row.allowed)} | ${also} | ${cell([row.description, ...notes].join(" "))} |`;
  });
  return `\n## ${name}\n\n| option | default | allowed | environment, flag | what it does, and why the default |\n| --- | --- | --- | --- | --- |\n${lines.join("\n")}\n`;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function defaultText({ default: value, unit }: OptionRow["option"]): string {
  if (value === undefined) return "none";
  if (typeof value === "object") return "empty";
  return `\`${String(value)}\`${unit === undefined ? "" : unit === "/s" ? " a second" : ` ${unit}`}`;
}
