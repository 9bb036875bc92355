// Owns: docs/reference/realtimeset.md, made from the table of fields that the CRDs are made from.
import { COMMANDS, type Field, type Rule, type SectionField } from "@holdfast/operator/resource";
import { isMemory, KINDS } from "./crds.ts";

const HEAD = `# RealtimeSet and RealtimeRelease

<!-- Generated from packages/operator/src/resource by \`npm run generate\`; a check compares the two. -->

Both are of group \`holdfast.dev\`, version \`v1alpha1\`. The CRDs are in \`deploy/operator/crds\`.
[The operator in operation](../operations/operator.md) says how to install them.
\`kubectl explain rts.spec --recursive\` shows the same in a cluster.

The API server refuses what breaks a limit or a rule. The message names the values.
`;

const COMMAND_ROWS = [
  [
    COMMANDS.promote,
    "`REVISION/STEP` or `REVISION/all`",
    "Ends the pause of a step. Steps count from 1, as in `status.release.step`. `all`: every step's.",
  ],
  [COMMANDS.abort, "`REVISION`", "Rolls the release to this revision back."],
  [COMMANDS.retry, "`REVISION`", "Tries a revision again that was rolled back."],
  [
    COMMANDS.pause,
    "`true` or `false`",
    "Nothing new of a release begins. Any other text counts as `true`.",
  ],
] as const;

const commands = `## Commands of people

They are annotations of the RealtimeSet, so tools that apply manifests leave them alone. If an
annotation cannot be read, the operator says so and does nothing of it.

| annotation | value | what it does |
| --- | --- | --- |
${COMMAND_ROWS.map(([name, value, what]) => `| \`${name}\` | ${value} | ${what} |`).join("\n")}
`;

/** The whole document. */
export function resourceReference(): string {
  const kinds = KINDS.map(({ kind, description, short, spec, status }) =>
    [
      `## ${kind}`,
      `${description} Short name: \`${short}\`.`,
      ...sections("spec", spec),
      ...sections("status", status),
    ].join("\n\n"),
  );
  return `${[HEAD.trimEnd(), ...kinds, commands.trimEnd()].join("\n\n")}\n`;
}

function sections(path: string, field: SectionField): readonly string[] {
  const fields = Object.entries(field.fields as Readonly<Record<string, Field>>);
  const rows = fields.map(([name, inner]) =>
    row(`${path}.${name}`, inner, field.required.includes(name)),
  );
  const table = ["| field | type | default | what it is |", "| --- | --- | --- | --- |", ...rows];
  const own = [`### ${path}`, field.description, table.join("\n"), ...rules(field.rules)];
  return [own.join("\n\n"), ...fields.flatMap(([name, inner]) => inside(`${path}.${name}`, inner))];
}

function inside(path: string, field: Field): readonly string[] {
  if (isMemory(field)) return [];
  if (field.is === "section") return sections(path, field);
  if (field.is !== "list") return [];
  const list = rules(field.rules);
  if (field.items.is !== "section") return list;
  return [...sections(`${path}[]`, field.items as SectionField), ...list];
}

function row(path: string, field: Field, isRequired: boolean): string {
  const value =
    field.default === undefined
      ? isRequired
        ? "required"
        : "none"
      : field.is === "section"
        ? "its defaults"
        : field.default === ""
          ? "empty"
          : `\`${String(field.default)}\``;
  return `| \`${path}\` | ${typeOf(field)} | ${value} | ${field.description} |`;
}

function typeOf(field: Field): string {
  switch (field.is) {
    case "integer":
      return field.max >= Number.MAX_SAFE_INTEGER
        ? `whole number from ${field.min}`
        : `whole number, ${field.min} to ${field.max}`;
    case "decimal":
      return "number";
    case "boolean":
      return "true or false";
    case "texts":
      return `map of texts, at most ${field.countMax}`;
    case "list":
      return `list of ${field.countMin} to ${field.countMax}`;
    case "section":
      return "section";
    case "text":
      if (field.choices !== undefined) return field.choices.map((one) => `\`${one}\``).join(", ");
      if (field.format !== undefined) return "time";
      return field.pattern === undefined ? "text" : `text like \`${field.pattern}\``;
  }
}

function rules(list: readonly Rule[] = []): readonly string[] {
  if (list.length === 0) return [];
  const rows = list.map(({ cel }) => `- \`${cel}\``);
  return [`Rules:\n\n${rows.join("\n")}`];
}
