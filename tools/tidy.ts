// Owns: the style guide as a check: walks the repository and prints what breaks a rule. `bun
// tools/tidy.ts`; exit status 1 when something does.
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { circles } from "./tidy/circles.ts";
import { direction } from "./tidy/direction.ts";
import { docstrings } from "./tidy/docstrings.ts";
import { brokenLinks, lockFile, type Repository } from "./tidy/documents.ts";
import { comments, longLines, longSentences } from "./tidy/prose.ts";
import { strangersInRoot } from "./tidy/root.ts";
import { FILE_RULES, type Finding } from "./tidy/rules.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** Everything in the repository that breaks a rule. */
export function tidy(): readonly Finding[] {
  const repository: Repository = {
    exists: (path) => existsSync(`${ROOT}${path}`),
    read: (path) =>
      existsSync(`${ROOT}${path}`) ? readFileSync(`${ROOT}${path}`, "utf8") : undefined,
  };
  const paths = trackedFiles();
  const sources = paths
    .filter((path) => /\.(tsx?|mts|mjs)$/.test(path))
    .map((path) => ({ path, text: repository.read(path) ?? "" }));
  return [
    ...sources.flatMap((file) => [...FILE_RULES, direction].flatMap((rule) => rule(file))),
    ...circles(sources),
    ...strangersInRoot(paths),
    ...sources.flatMap((file) => comments(file, repository)),
    ...paths
      .filter((path) => path.endsWith(".md"))
      .flatMap((path) => [...brokenLinks(path, repository), ...prose(path, repository)]),
    ...docstrings(repository),
    ...lockFile(repository),
  ];
}

function prose(path: string, repository: Repository): readonly Finding[] {
  const text = repository.read(path) ?? "";
  return [...longLines(path, text), ...longSentences(path, text)];
}

/** Files that git knows or would add. Without git (a downloaded archive): those on disk. */
function trackedFiles(): readonly string[] {
  const git = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: ROOT,
    stderr: "ignore",
  });
  const listed = git.success
    ? git.stdout.toString().split("\n")
    : [...new Bun.Glob("**/*").scanSync({ cwd: ROOT, dot: true })];
  return [...new Set(listed)]
    .filter(
      (path) =>
        path !== "" &&
        !/(^|\/)(node_modules|dist|\.git|\.cache)\//.test(path) &&
        existsSync(`${ROOT}${path}`),
    )
    .sort();
}

if (import.meta.main) {
  const findings = tidy();
  for (const { path, line, rule, text, warning } of findings) {
    console.log(
      `${warning ? "warning" : "error"} ${path}${line === undefined ? "" : `:${line}`} [${rule}] ${text}`,
    );
  }
  const errors = findings.filter((finding) => !finding.warning).length;
  console.log(`${errors} errors, ${findings.length - errors} warnings`);
  process.exitCode = errors > 0 ? 1 : 0;
}
