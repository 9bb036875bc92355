// Owns: docs/reference/options.md, made from the table.
import { type OptionRow, optionRows } from "./options.ts";

/** The page of all options, as markdown. */
export function optionsReference(): string {
  const sections = new Map<string, OptionRow[]>();
  for (const row of optionRows()) {
    const section = row.name.includes(".") ? row.name.slice(0, row.name.lastIndexOf(".")) : "node";
    sections.set(section, [...(sections.get(section) ?? []), row]);
  }
  return `${HEAD}${[...sections].map(([name, rows]) => sectionText(name, rows)).join("")}`;
}

const HEAD = `# Options

<!-- Generated from packages/config by \`npm run generate\`; a check compares the two. -->

An option can be given in a file (\`--config holdfast.yaml\`, YAML or JSON, nested as the names are), in the environment, or as a flag; a flag wins over
the environment, the environment over the file, the file over the default. Unknown names, values out of range and combinations that cannot work are
refused at start, all at once. \`holdfast config\` prints what is in force and where each value came from.

Times are numbers of milliseconds or texts like \`30s\` and \`5m\`; sizes are bytes or texts like \`64KiB\`. Lists are separated by commas in the environment
and in flags. Secrets have no flag, because a process's arguments are public. A running node takes new values of "live" options when it gets SIGHUP: it reads file and environment again and logs what it took and what needs a new process.

\`HOLDFAST_CONFIG\` names the file where \`--config\` does not.
`;

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
