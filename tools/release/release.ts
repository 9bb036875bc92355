// Owns: `npm run release`: versions, changelog, packages and tarballs checked, and published if it
// is asked for.
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import { ROOT } from "../image/root.ts";
import { rootManifest } from "./manifest.ts";
import { PUBLISHED } from "./published.ts";
import { pack, putTogether, run } from "./put-together.ts";
import { ReleaseError } from "./release-error.ts";
import { problemsOf } from "./verify.ts";
import { notesOf, setVersion, versionProblems } from "./versions.ts";

const USAGE = `usage: npm run release -- --dry-run          build, pack and check; publish nothing
       npm run release -- --publish          the same, and publish what is not published yet
       npm run release -- --version 1.2.3    write the version everywhere, name the release`;

async function main([what, version]: readonly string[]): Promise<number> {
  if (what === "--version" && version !== undefined) {
    setVersion(version, new Date().toISOString().slice(0, 10));
    await run(["npm", "install", "--package-lock-only", "--no-audit", "--no-fund"], ROOT);
    console.log(`everything is ${version} now; next: npm run generate, npm test, a commit, a tag`);
    return 0;
  }
  if (what !== "--dry-run" && what !== "--publish") {
    console.error(USAGE);
    return 2;
  }
  const publishes = what === "--publish";
  const tarballs = await checkedTarballs(publishes);
  if (!publishes) {
    console.log("nothing was published");
    return 0;
  }
  for (const tarball of tarballs) await publish(tarball);
  return 0;
}

/** Builds, packs and checks. Resolves with the tarballs in the order of their dependencies. */
async function checkedTarballs(publishes: boolean): Promise<readonly string[]> {
  const { version } = rootManifest();
  const notes = notesOf(version) ?? (publishes ? undefined : notesOf("Unreleased"));
  refuseIf([
    ...versionProblems(),
    ...(notes === undefined ? [`CHANGELOG.md has nothing under a heading "## ${version}"`] : []),
    ...(publishes ? await treeProblems() : []),
  ]);
  await putTogether();
  const tarballs = await pack();
  const found = await Promise.all(
    PUBLISHED.map((published) => problemsOf(published, tarballs.get(published.name) ?? "")),
  );
  refuseIf(found.flat());
  for (const [name, path] of tarballs)
    console.log(
      `${name}@${version}  ${Math.ceil(statSync(path).size / 1024)} kB  ${basename(path)}`,
    );
  await Bun.write(join(ROOT, ".cache/release/NOTES.md"), `${notes}\n`);
  return [...tarballs.values()];
}

/** What is published must be what a commit holds. */
async function treeProblems(): Promise<readonly string[]> {
  const changed = await run(["git", "status", "--porcelain"], ROOT);
  return changed === "" ? [] : [`uncommitted changes:\n${changed.trimEnd()}`];
}

/** An interrupted release can be continued: packages that are already published are skipped. */
async function publish(tarball: string): Promise<void> {
  const child = Bun.spawn(["npm", "publish", tarball], {
    cwd: ROOT,
    stdio: ["inherit", "inherit", "pipe"],
  });
  const [errors, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code === 0) return;
  if (/EPUBLISHCONFLICT|cannot publish over/i.test(errors)) {
    console.log(`${basename(tarball)} is published already`);
    return;
  }
  throw new ReleaseError(`Cannot publish ${basename(tarball)}:\n${errors}`);
}

function refuseIf(problems: readonly string[]): void {
  if (problems.length > 0)
    throw new ReleaseError(
      `Cannot release:\n${problems.map((problem) => `  ${problem}`).join("\n")}`,
    );
}

if (import.meta.main) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
