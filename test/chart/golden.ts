// Owns: golden files that people can review: the base rendering in full, every other one as its
// difference from that.
import { stringify } from "yaml";
import { type KubeObject, keyOf, type Values } from "./helm.ts";

/** The whole rendering, without what every object repeats. */
export function fullText(objects: readonly KubeObject[]): string {
  return objects.map((object) => stringify(trimmed(object), { lineWidth: 160 })).join("---\n");
}

/** Lines of `- path: before` and `+ path: after`, by object. */
export function differenceText(
  base: readonly KubeObject[],
  objects: readonly KubeObject[],
): string {
  const before = new Map(base.map((object) => [keyOf(object), pathsOf(trimmed(object))]));
  const after = new Map(objects.map((object) => [keyOf(object), pathsOf(trimmed(object))]));
  const keys = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  return keys
    .map((key) => sectionText(key, before.get(key) ?? new Map(), after.get(key) ?? new Map()))
    .join("");
}

function sectionText(
  key: string,
  before: ReadonlyMap<string, string>,
  after: ReadonlyMap<string, string>,
): string {
  if (after.size === 0) return `\n## ${key}\n- all of it\n`;
  const lines = [...new Set([...before.keys(), ...after.keys()])].flatMap((path) => {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === is) return [];
    return [
      ...(was === undefined ? [] : [`- ${path}: ${was}`]),
      ...(is === undefined ? [] : [`+ ${path}: ${is}`]),
    ];
  });
  return lines.length === 0 ? "" : `\n## ${key}\n${lines.join("\n")}\n`;
}

function trimmed(object: KubeObject): unknown {
  const { labels, namespace: _namespace, ...metadata } = object.metadata;
  // Helm 3 and 4 differ in it; policy.test.ts looks at both.
  const annotations = withoutHookPolicy(metadata.annotations);
  const own = Object.entries(labels ?? {}).filter(
    ([name]) => !/^(app\.kubernetes\.io\/(?!component)|helm\.sh\/)/.test(name),
  );
  // What is generated elsewhere is compared there.
  const spec = object.kind === "PrometheusRule" ? "made by packages/observability" : object.spec;
  const isDashboard = object.kind === "ConfigMap" && object.metadata.name.includes("-dashboard-");
  const data = isDashboard ? "made by packages/observability" : object.data;
  return {
    ...object,
    metadata: { ...metadata, ...(annotations && { annotations }), labels: Object.fromEntries(own) },
    ...(spec && { spec }),
    ...(data && { data }),
  };
}

function withoutHookPolicy(annotations: unknown): Values | undefined {
  const { "helm.sh/hook-delete-policy": _policy, ...rest } = Object(annotations);
  return annotations === undefined ? undefined : rest;
}

/** Leaves by path; members of a list by their name if they have one. */
function pathsOf(value: unknown, path = ""): ReadonlyMap<string, string> {
  const leaves = new Map<string, string>();
  const walk = (node: unknown, at: string) => {
    if (Array.isArray(node)) {
      if (node.length === 0) leaves.set(at, "[]");
      for (const [index, item] of node.entries()) walk(item, `${at}[${nameOf(item) ?? index}]`);
    } else if (typeof node === "object" && node !== null) {
      if (Object.keys(node).length === 0) leaves.set(at, "{}");
      for (const [key, inner] of Object.entries(node))
        walk(inner, at === "" ? key : `${at}.${key}`);
    } else if (!/checksum\//.test(at)) leaves.set(at, JSON.stringify(node));
  };
  walk(value, path);
  return leaves;
}

function nameOf(item: unknown): string | undefined {
  return typeof item === "object" &&
    item !== null &&
    "name" in item &&
    typeof item.name === "string"
    ? item.name
    : undefined;
}
