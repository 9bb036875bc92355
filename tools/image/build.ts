// Owns: `npm run image:build`: everything of the image that is made from this repository, as a
// folder that becomes part of its root.
import { chmod, mkdir, rm, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Arch, parseArch } from "./arch.ts";
import {
  type Bill,
  billOf,
  type DebianPackage,
  debianPackage,
  licencesOf,
  packagesOf,
} from "./bill.ts";
import { run } from "./bun-binary.ts";
import { compile } from "./compile.ts";
import { ImageError } from "./image-error.ts";
import { ROOT } from "./root.ts";

/** What stands for the Dockerfile's build stage here: a folder with `out` in it. */
export function buildStage(arch: Arch): string {
  return join(ROOT, ".cache/image", arch);
}

const DOC = "usr/share/doc/holdfast";

export interface BuildOptions {
  readonly arch: Arch;
  /** Folder to write; what is in it is removed. */
  readonly out: string;
  /** File of installed Debian packages where the image's C library comes from. */
  readonly dpkgStatus?: string;
}

export interface BuiltImage {
  readonly executable: string;
  readonly executableBytes: number;
  /** Names of packages in the executable. */
  readonly packages: readonly string[];
}

/** Writes the executable, its bill of materials and the licences of what is in it. */
export async function buildImage({ arch, out, dpkgStatus }: BuildOptions): Promise<BuiltImage> {
  await rm(out, { recursive: true, force: true });
  await mkdir(join(out, DOC), { recursive: true });
  const executable = join(out, "holdfast");
  const packages = packagesOf(await compile(arch, executable));
  await chmod(executable, 0o755);

  const libc = dpkgStatus === undefined ? undefined : await installedLibc(dpkgStatus);
  const whole = JSON.parse(
    await run(["npm", "sbom", "--sbom-format=cyclonedx", "--package-lock-only"], ROOT),
  ) as Bill;
  const bill = billOf(whole, { packages, ...(libc === undefined ? {} : { libc }) });
  await Bun.write(join(out, DOC, "sbom.cdx.json"), `${JSON.stringify(bill, undefined, 2)}\n`);
  await Bun.write(join(out, DOC, "third-party-licences.txt"), await licencesOf(packages));
  await Bun.write(join(out, DOC, "LICENSE"), Bun.file(join(ROOT, "LICENSE")));
  if (libc !== undefined)
    await Bun.write(join(out, "var/lib/dpkg/status.d/libc6"), `${libc.paragraph}\n`);
  return { executable, executableBytes: (await stat(executable)).size, packages };
}

async function installedLibc(dpkgStatus: string): Promise<DebianPackage> {
  const file = Bun.file(dpkgStatus);
  const found = (await file.exists()) ? debianPackage(await file.text(), "libc6") : undefined;
  if (found !== undefined) return found;
  throw new ImageError(
    `Cannot say which C library the image has: ${dpkgStatus} has no package libc6, expected Debian's list of what is installed`,
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      arch: { type: "string", default: "" },
      out: { type: "string" },
      "dpkg-status": { type: "string" },
    },
  });
  const arch = parseArch(values.arch);
  const dpkgStatus = values["dpkg-status"];
  const out = resolve(values.out ?? join(buildStage(arch), "out"));
  const built = await buildImage({
    arch,
    out,
    ...(dpkgStatus === undefined ? {} : { dpkgStatus }),
  });
  console.log(
    `${built.executable}: ${(built.executableBytes / 1e6).toFixed(0)} MB for linux ${arch}, with ${built.packages.length} packages`,
  );
  return 0;
}

if (import.meta.main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
