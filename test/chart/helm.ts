// Owns: running helm and kubeconform on the chart, and reading what helm renders.
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseAllDocuments, parse as parseYaml } from "yaml";
import { startApiServer } from "./api-server.ts";

export const CHART = fileURLToPath(new URL("../../deploy/chart", import.meta.url));
export const OPERATOR_CHART = fileURLToPath(
  new URL("../../deploy/operator/chart", import.meta.url),
);
export const GATEWAY_CHART = fileURLToPath(new URL("../../deploy/gateway/chart", import.meta.url));
const SCHEMAS = fileURLToPath(new URL("../../deploy/schemas", import.meta.url));
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** A helm that was built by hand thinks of a Kubernetes that is long gone. */
const KUBERNETES = ["--kube-version", "1.37.0"];

export const RELEASE = "rt";
export const NAMESPACE = "realtime";

export type Values = Readonly<Record<string, unknown>>;

export interface KubeObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly labels?: Readonly<Record<string, string>>;
  } & Values;
  readonly spec?: Values;
  readonly data?: Readonly<Record<string, string>>;
}

export interface HelmRun {
  readonly ok: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Values from a file of the repository, or given. */
export type Source = { readonly file: string } | { readonly values: Values };

export async function template(source: Source, chart = CHART): Promise<HelmRun> {
  return withValues(source, (file) =>
    run([
      program("HELM", "helm"),
      "template",
      RELEASE,
      chart,
      ...KUBERNETES,
      "--namespace",
      NAMESPACE,
      "--values",
      file,
    ]),
  );
}

/**
 * What an upgrade renders in a cluster that has these objects.
 */
export async function upgrade(source: Source, cluster: readonly KubeObject[]): Promise<HelmRun> {
  const server = startApiServer(cluster);
  const args = ["--dry-run=server", "--is-upgrade", "--disable-openapi-validation"];
  try {
    return await withValues(source, (file) =>
      run([
        program("HELM", "helm"),
        "template",
        RELEASE,
        CHART,
        ...args,
        "--kube-apiserver",
        server.url,
        "--namespace",
        NAMESPACE,
        "--values",
        file,
      ]),
    );
  } finally {
    server.stop();
  }
}

/** Objects from the chart as an archive, which is what people get. */
export async function packaged(source: Source): Promise<readonly KubeObject[]> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-package-"));
  try {
    const made = await run([program("HELM", "helm"), "package", CHART, "--destination", folder]);
    if (!made.ok) throw new Error(made.stderr);
    const [archive = ""] = readdirSync(folder);
    const helm = [
      program("HELM", "helm"),
      "template",
      RELEASE,
      join(folder, archive),
      ...KUBERNETES,
      "--namespace",
      NAMESPACE,
    ];
    const done = await withValues(source, (file) => run([...helm, "--values", file]));
    if (!done.ok) throw new Error(done.stderr);
    return parse(done.stdout);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const NOTES = `kind: Notes
metadata: { name: notes }
data:
  notes: |
    {{- include (print $.Template.BasePath "/NOTES.txt") . | nindent 4 }}
`;

/**
 * What `helm install` would print behind the manifests. Some versions of helm want a cluster for
 * that; so an object says it, in a copy of the chart.
 */
export async function notes(source: Source): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-notes-"));
  try {
    cpSync(CHART, folder, { recursive: true });
    writeFileSync(join(folder, "templates/notes.yaml"), NOTES);
    const args = [
      "template",
      RELEASE,
      folder,
      ...KUBERNETES,
      "--namespace",
      NAMESPACE,
      "--show-only",
      "templates/notes.yaml",
    ];
    const done = await withValues(source, (file) =>
      run([program("HELM", "helm"), ...args, "--values", file]),
    );
    if (!done.ok) throw new Error(done.stderr);
    return parse(done.stdout)[0]?.data?.notes ?? "";
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export async function lint(source: Source, chart = CHART): Promise<HelmRun> {
  return withValues(source, (file) =>
    run([program("HELM", "helm"), "lint", chart, "--strict", "--values", file]),
  );
}

/** As in `v4.3`. */
export async function helmVersion(): Promise<string> {
  return (await run([program("HELM", "helm"), "version", "--template", "{{.Version}}"])).stdout;
}

/** Objects of a rendering that must work, in a stable order. */
export async function objects(source: Source, chart = CHART): Promise<readonly KubeObject[]> {
  const done = await template(source, chart);
  if (!done.ok) throw new Error(done.stderr);
  return parse(done.stdout);
}

export function parse(manifests: string): readonly KubeObject[] {
  const found = parseAllDocuments(manifests).flatMap((document): readonly KubeObject[] => {
    if (!("toJS" in document)) return [];
    const [problem] = document.errors;
    if (problem !== undefined) throw problem;
    const value: unknown = document.toJS();
    return isObject(value) ? [value] : [];
  });
  return found.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

export function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind} ${metadata.name}`;
}

function isObject(value: unknown): value is KubeObject {
  return typeof value === "object" && value !== null && "kind" in value && "metadata" in value;
}

/** Options that the chart sets itself, as its own checks list them, with what to use instead. */
export async function derivedOptions(): Promise<Readonly<Record<string, string>>> {
  const checks = await Bun.file(`${CHART}/templates/_checks.tpl`).text();
  return parseYaml(/"holdfast\.derivedOptions" -\}\}\n([\s\S]*?)\{\{- end/.exec(checks)?.[1] ?? "");
}

export interface Conformity {
  readonly valid: readonly string[];
  /** `kind name: what is wrong`. */
  readonly invalid: readonly string[];
  /** Kinds without a schema here. */
  readonly skipped: readonly string[];
}

/** Objects against deploy/schemas, which refuse unknown fields. */
export async function conformity(of: readonly KubeObject[]): Promise<Conformity> {
  const locations = [
    "{{.ResourceKind}}-{{.Group}}-{{.ResourceAPIVersion}}.json",
    "{{.ResourceKind}}-{{.ResourceAPIVersion}}.json",
  ];
  const args = ["-strict", "-verbose", "-output", "json", "-ignore-missing-schemas"];
  const schemas = locations.flatMap((name) => ["-schema-location", `${SCHEMAS}/${name}`]);
  // As JSON, because the program reads YAML 1.1, in which a plain yes is true.
  const input = of.map((object) => JSON.stringify(object)).join("\n---\n");
  const done = await run([program("KUBECONFORM", "kubeconform"), ...args, ...schemas, "-"], input);
  const { resources } = JSON.parse(done.stdout) as { readonly resources: readonly Resource[] };
  const by = (status: string) => resources.filter((resource) => resource.status === status);
  return {
    valid: by("statusValid").map(({ kind, name }) => `${kind} ${name}`),
    invalid: [...by("statusInvalid"), ...by("statusError")].map(
      ({ kind, name, msg }) => `${kind} ${name}: ${msg}`,
    ),
    skipped: by("statusSkipped").map(({ kind }) => kind),
  };
}

interface Resource {
  readonly kind: string;
  readonly name: string;
  readonly status: string;
  readonly msg: string;
}

async function withValues<T>(source: Source, use: (file: string) => Promise<T>): Promise<T> {
  if ("file" in source) return use(join(ROOT, source.file));
  const folder = mkdtempSync(join(tmpdir(), "holdfast-chart-"));
  try {
    const file = join(folder, "values.json");
    writeFileSync(file, JSON.stringify(source.values));
    return await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `npm test` and `npm run test:chart` name them; by hand they are where those put them. */
function program(variable: string, name: string): string {
  const named = process.env[variable];
  if (named !== undefined && named !== "") return named;
  const [built] = [
    ...new Bun.Glob(`.cache/tools/${name}-*/${name}`).scanSync({
      cwd: ROOT,
      dot: true,
      absolute: true,
    }),
  ];
  const found = built ?? Bun.which(name);
  if (found === undefined || found === null)
    throw new Error(`There is no ${name}: npm run test:chart finds it or builds it`);
  return found;
}

async function run(command: readonly string[], input?: string): Promise<HelmRun> {
  const child = Bun.spawn([...command], {
    stdin: input === undefined ? "ignore" : new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { ok: code === 0, stdout, stderr };
}
