// Owns: putting packages together: built files, types, manifest, README, licences; and packing
// them.
import { cp, mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { licencesOf } from "../image/bill.ts";
import { ROOT } from "../image/root.ts";
import { bundle } from "./bundle.ts";
import { writeDeclarations } from "./declarations.ts";
import { manifestOf } from "./manifest.ts";
import { writePage } from "./page.ts";
import { PUBLISHED, type Published, stagingOf, TARBALLS } from "./published.ts";
import { ReleaseError } from "./release-error.ts";

const TSC = join(ROOT, "node_modules/typescript/bin/tsc");

/** Writes every package's folder below `.cache/release`. Compiles what has changed first. */
export async function putTogether(packages: readonly Published[] = PUBLISHED): Promise<void> {
  await run(["node", TSC, "-b", ...packages.map(({ folder }) => folder)], ROOT);
  for (const published of packages) await putOneTogether(published);
}

async function putOneTogether(published: Published): Promise<void> {
  const { name, folder, files = [], inside } = published;
  const staging = stagingOf(name);
  const dist = join(staging, "dist");
  await rm(staging, { recursive: true, force: true });
  await mkdir(dist, { recursive: true });
  await bundle(published, dist);
  await writeDeclarations(published, dist);
  const others = [...inside, ...(published.hasPage ? await writePage(dist) : [])];
  for (const file of files)
    await cp(join(ROOT, folder, file), join(staging, file), { recursive: true });
  await cp(join(ROOT, folder, "README.md"), join(staging, "README.md"));
  await cp(join(ROOT, "LICENSE"), join(staging, "LICENSE"));
  if (others.length > 0)
    await Bun.write(join(dist, "THIRD-PARTY-LICENSES.txt"), await licencesOf(others));
  await Bun.write(
    join(staging, "package.json"),
    `${JSON.stringify(manifestOf(published), null, 2)}\n`,
  );
}

/** Packs every folder into a tarball and resolves with the tarballs' paths, by package. */
export async function pack(
  packages: readonly Published[] = PUBLISHED,
): Promise<ReadonlyMap<string, string>> {
  await rm(TARBALLS, { recursive: true, force: true });
  await mkdir(TARBALLS, { recursive: true });
  const folders = packages.map(({ name }) => stagingOf(name));
  await run(["npm", "pack", "--silent", "--pack-destination", TARBALLS, ...folders], ROOT);
  const names = await readdir(TARBALLS);
  return new Map(
    packages.map(({ name }) => {
      const start = `${name.replace("@", "").replace("/", "-")}-`;
      const found = names.find(
        (file) => file.startsWith(start) && /^\d/.test(file.slice(start.length)),
      );
      if (found === undefined) throw new ReleaseError(`Cannot pack ${name}: npm wrote no tarball`);
      return [name, join(TARBALLS, found)];
    }),
  );
}

/** Runs a program to its end. Rejects with what it wrote if it fails. */
export async function run(command: readonly string[], cwd: string): Promise<string> {
  const child = Bun.spawn([...command], { cwd, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0)
    throw new ReleaseError(`${command.slice(0, 2).join(" ")} ended with ${code}:\n${out}${err}`);
  return out;
}
