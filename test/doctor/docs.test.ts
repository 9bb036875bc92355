// Checks that every finding has its section in the documents, with the words of the catalogue, and
// that there is no section of none.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { CATALOGUE, DOCS_PAGE } from "@holdfast/doctor";
import { ADDED_KINDS, CORE_KINDS, OPERATOR_KINDS } from "@holdfast/kube";

const page = readFileSync(new URL(`../../${DOCS_PAGE}`, import.meta.url), "utf8");
const sections = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((section) => [section.split("\n")[0] ?? "", section] as const),
);

test("the sections are the findings", () => {
  expect([...sections.keys()].sort()).toEqual(Object.keys(CATALOGUE).sort());
});

test.each(Object.entries(CATALOGUE))(
  "%s: title, severity and consequence are the catalogue's",
  (id, entry) => {
    // Lines are broken in the document where they are not in the catalogue.
    expect(sections.get(id)?.replaceAll(/\s+/g, " ")).toContain(
      `**${entry.title}** (${entry.severity}). ${entry.consequence}`,
    );
  },
);

test("the role in the documents allows exactly what is read of a cluster, and nothing that changes it", () => {
  const role = Bun.YAML.parse(/```yaml\n(apiVersion: rbac[\s\S]*?)```/.exec(page)?.[1] ?? "") as {
    readonly rules: readonly {
      readonly apiGroups: readonly string[];
      readonly resources: readonly string[];
      readonly verbs: readonly string[];
    }[];
  };
  const allowed = role.rules.flatMap(({ apiGroups, resources }) =>
    apiGroups.flatMap((group) => resources.map((resource) => `${group}/${resource}`)),
  );
  const group = (apiVersion: string) => (apiVersion.includes("/") ? apiVersion.split("/")[0] : "");
  const read = [...CORE_KINDS, ...ADDED_KINDS, ...OPERATOR_KINDS].map(
    ({ apiVersions, plural }) => `${group(apiVersions[0])}/${plural}`,
  );
  expect([...allowed].sort()).toEqual([...read].sort());
  expect([...new Set(role.rules.flatMap(({ verbs }) => verbs))].sort()).toEqual(["get", "list"]);
});
