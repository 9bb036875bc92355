// Owns: the Bun that becomes part of an executable: this process's own, or for another processor
// the one of the locked package.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { ARCHES, type Arch } from "./arch.ts";
import { ImageError } from "./image-error.ts";
import { ROOT } from "./root.ts";

/**
 * Path of a Bun for the processor. One that does not run here is fetched with npm, once, into
 * .cache, and must have the hash of package-lock.json: the compiler's own
 * download would go past the lock file.
 */
export async function bunBinary(arch: Arch): Promise<string> {
  const { bunPackage } = ARCHES[arch];
  if (isOwn(arch)) return process.execPath;
  const installed = join(ROOT, "node_modules", bunPackage, "bin/bun");
  if (existsSync(installed)) return installed;
  const { version, integrity } = await lockedPackage(bunPackage);
  const folder = join(ROOT, ".cache/bun", `${bunPackage.replace("/", "-")}-${version}`);
  const fetched = join(folder, "package/bin/bun");
  if (existsSync(fetched)) return fetched;

  const fetching = `${folder}-${process.pid}`;
  await mkdir(fetching, { recursive: true });
  try {
    const packed = await run(
      ["npm", "pack", `${bunPackage}@${version}`, "--json", "--ignore-scripts"],
      fetching,
    );
    const archive = join(fetching, archiveOf(packed));
    checkIntegrity(await readFile(archive), { integrity, name: `${bunPackage}@${version}` });
    await run(["tar", "-xzf", archive, "package/bin/bun"], fetching);
    await rm(archive);
    await rm(folder, { recursive: true, force: true });
    await rename(fetching, folder);
  } finally {
    await rm(fetching, { recursive: true, force: true });
  }
  return fetched;
}

/** Whether this process runs on that processor, under Linux with the C library of the image. */
function isOwn(arch: Arch): boolean {
  const own = process.arch === "x64" ? "amd64" : process.arch;
  const musl = existsSync("/lib/ld-musl-x86_64.so.1") || existsSync("/lib/ld-musl-aarch64.so.1");
  return process.platform === "linux" && own === arch && !musl;
}

interface Locked {
  readonly version: string;
  /** As npm writes it: `sha512-` and base64. */
  readonly integrity: string;
}

async function lockedPackage(name: string): Promise<Locked> {
  const lock = (await Bun.file(join(ROOT, "package-lock.json")).json()) as {
    readonly packages?: Readonly<Record<string, Partial<Locked>>>;
  };
  const { version, integrity } = lock.packages?.[`node_modules/${name}`] ?? {};
  if (version === undefined || integrity === undefined)
    throw new ImageError(
      `Cannot fetch ${name}: package-lock.json does not have it, expected its version and integrity`,
    );
  return { version, integrity };
}

/** Throws `ImageError` unless the archive is the one that was locked. */
export function checkIntegrity(
  archive: Uint8Array,
  { integrity, name }: { readonly integrity: string; readonly name: string },
): void {
  const found = `sha512-${createHash("sha512").update(archive).digest("base64")}`;
  if (found !== integrity)
    throw new ImageError(
      `Cannot use ${name}: its hash is ${found}, expected ${integrity} as in package-lock.json`,
    );
}

function archiveOf(packed: string): string {
  const list: unknown = JSON.parse(packed);
  // An array up to npm 11, by name from npm 12 on.
  const first: unknown = Array.isArray(list) ? list[0] : Object.values(list ?? {})[0];
  if (
    typeof first === "object" &&
    first !== null &&
    "filename" in first &&
    typeof first.filename === "string"
  )
    return first.filename;
  throw new ImageError("Cannot read the answer of npm pack: found no filename, expected one");
}

/** Standard output of a program; throws `ImageError` with what it wrote when it fails. */
export async function run(command: readonly string[], cwd: string): Promise<string> {
  const child = Bun.spawn([...command], {
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: RUN_TIMEOUT_MS,
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0)
    throw new ImageError(
      `Cannot run ${command.slice(0, 3).join(" ")}: exit status ${code}, expected 0\n${err.trim()}`,
    );
  return out;
}

const RUN_TIMEOUT_MS = 180_000;
