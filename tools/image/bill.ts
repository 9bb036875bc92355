// Owns: which packages are in the executable, and the bill of materials and the licences that say
// so.
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { ROOT } from "./root.ts";

/** Names of the packages that sources belong to, ours by their folders; sorted. */
export function packagesOf(inputs: readonly string[]): readonly string[] {
  const names = inputs.flatMap((path) => {
    const installed = /^(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1];
    if (installed !== undefined) return [installed];
    const [kind, folder] = path.split("/");
    if (folder !== undefined && kind === "packages") return [`@holdfast/${folder}`];
    if (folder !== undefined && kind === "apps")
      return [folder === "holdfast" ? folder : `@holdfast/${folder}`];
    return [];
  });
  return [...new Set(names)].sort();
}

/** A component as CycloneDX has it; only what is read here is named. */
interface Component extends Readonly<Record<string, unknown>> {
  readonly "bom-ref": string;
  readonly purl: string;
}

/** What `npm sbom --sbom-format cyclonedx` prints. */
export interface Bill extends Readonly<Record<string, unknown>> {
  readonly metadata: Readonly<Record<string, unknown>> & { readonly component: Component };
  readonly components: readonly Component[];
  readonly dependencies: readonly {
    readonly ref: string;
    readonly dependsOn?: readonly string[];
  }[];
}

export interface Materials {
  /** Names of packages in the executable. */
  readonly packages: readonly string[];
  /** The C library's Debian package, if it is known. */
  readonly libc?: DebianPackage;
}

export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  /** Its paragraph of /var/lib/dpkg/status, which scanners of images read. */
  readonly paragraph: string;
}

/**
 * The bill of the whole repository, less everything that is not in the image, with Bun and the C
 * library. It has no time and no random number: the same sources have the same bill, and its serial
 * number is made from it.
 */
export function billOf(whole: Bill, { packages, libc }: Materials): Bill {
  const wanted = new Set([...packages.filter((name) => name !== "holdfast"), "bun"]);
  const { dependencies: _, components: __, metadata, ...head } = whole;
  const { timestamp: ___, ...origin } = metadata;
  const program =
    whole.components.find(({ purl }) => nameOf(purl) === "holdfast") ?? metadata.component;
  const components: readonly Component[] = [
    ...whole.components.filter(({ purl }) => wanted.has(nameOf(purl))).map(shipped),
    ...(libc === undefined ? [] : [debianComponent(libc)]),
  ];
  const refs = new Set([
    program["bom-ref"],
    ...components.map((component) => component["bom-ref"]),
  ]);
  const dependencies = whole.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((on) => refs.has(on)) }));
  const bill = {
    ...head,
    metadata: {
      ...origin,
      lifecycles: [{ phase: "build" }],
      component: { ...program, type: "application" },
    },
    components,
    dependencies,
  };
  return {
    ...bill,
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify({ ...bill, serialNumber: "" }))}`,
  };
}

/** npm marks what only builds; what is in the image is required whatever brought it in. */
function shipped(component: Component): Component {
  return { ...component, scope: "required", properties: [] };
}

function debianComponent({ name, version, arch }: DebianPackage): Component {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=${arch}`;
  return { "bom-ref": purl, type: "library", name, version, scope: "required", purl };
}

function nameOf(purl: string): string {
  return decodeURIComponent(/^pkg:npm\/(.+)@[^@]+$/.exec(purl)?.[1] ?? "");
}

/** A UUID (version 8: of our own making) of a text. */
function uuidOf(text: string): string {
  const hex = createHash("sha256").update(text).digest("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

/** Finds a package in the text of /var/lib/dpkg/status. */
export function debianPackage(status: string, name: string): DebianPackage | undefined {
  const paragraph = status
    .split(/\n\n+/)
    .find((text) => new RegExp(`^Package: ${name}$`, "m").test(text));
  const version = /^Version: (\S+)$/m.exec(paragraph ?? "")?.[1];
  const arch = /^Architecture: (\S+)$/m.exec(paragraph ?? "")?.[1];
  return paragraph === undefined || version === undefined || arch === undefined
    ? undefined
    : { name, version, arch, paragraph };
}

/** The licence texts of the packages that are not ours, one behind the other. */
export async function licencesOf(packages: readonly string[]): Promise<string> {
  const parts = packages
    .filter((name) => name !== "holdfast" && !name.startsWith("@holdfast/"))
    .map(async (name) => {
      const folder = join(ROOT, "node_modules", name);
      const file = (await readdir(folder)).find((entry) => /^licen[cs]e/i.test(entry));
      const manifest = (await Bun.file(join(folder, "package.json")).json()) as {
        readonly version: string;
        readonly license?: string;
      };
      const text =
        file === undefined
          ? `Licence: ${manifest.license ?? "not stated"}\n`
          : await Bun.file(join(folder, file)).text();
      return `${"=".repeat(80)}\n${name} ${manifest.version}\n${"=".repeat(80)}\n\n${text.trim()}\n`;
    });
  return (await Promise.all(parts)).join("\n");
}
