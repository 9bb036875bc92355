// Owns: checks of documents and of the lock file: links lead somewhere, the lock file fits the
// packages and names no host.
import type { Finding } from "./rules.ts";

export interface Repository {
  /** Whether a file or folder exists, by path from the root. */
  exists(path: string): boolean;
  /** Text of a file, or undefined. */
  read(path: string): string | undefined;
}

/** Relative links and anchors of a markdown file that lead nowhere. */
export function brokenLinks(path: string, repository: Repository): readonly Finding[] {
  const text = withoutCode(repository.read(path) ?? "");
  const links = text.matchAll(/\[[^\]]*\]\(\s*<?([^)\s>]+)>?[^)]*\)|\b(?:src|href)="([^"]+)"/g);
  return [...links].flatMap((match) => {
    const target = match[1] ?? match[2] ?? "";
    if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith("//")) return [];
    const [file = "", anchor] = target.split("#");
    const resolved =
      file === "" ? path : decodeURI(new URL(file, `file:///${path}`).pathname.slice(1));
    const line = text.slice(0, match.index).split("\n").length;
    if (!repository.exists(resolved))
      return [{ path, line, rule: "links", text: `${target} does not exist` }];
    if (
      anchor !== undefined &&
      resolved.endsWith(".md") &&
      !anchorsOf(repository.read(resolved) ?? "").includes(anchor)
    )
      return [{ path, line, rule: "links", text: `${target}: no heading of this name` }];
    return [];
  });
}

/** Keeps lines and length, so that positions stay right. */
function withoutCode(markdown: string): string {
  return markdown.replaceAll(/^(```|~~~)[\s\S]*?^\1|`[^`\n]*`/gm, (code) =>
    code.replaceAll(/[^\n]/g, " "),
  );
}

function anchorsOf(markdown: string): readonly string[] {
  return [...markdown.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map((match) =>
    (match[1] ?? "")
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );
}

const DEPENDENCY_FIELDS = [
  "dependencies",
  "devDependencies",
  "peerDependencies",
  "optionalDependencies",
];

/** What would make `npm ci` refuse the lock file, or tie it to one machine's registry. */
export function lockFile(repository: Repository): readonly Finding[] {
  const path = "package-lock.json";
  const lock = JSON.parse(repository.read(path) ?? "{}") as {
    readonly packages?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  };
  const findings: Finding[] = [];
  for (const [folder, entry] of Object.entries(lock.packages ?? {})) {
    if (entry.resolved !== undefined && entry.link !== true)
      findings.push({
        path,
        rule: "lock file",
        text: `${folder} names the host it was fetched from`,
      });
    if (folder.startsWith("node_modules/") || folder.includes("/node_modules/")) continue;
    const manifest = JSON.parse(
      repository.read(folder === "" ? "package.json" : `${folder}/package.json`) ?? "{}",
    ) as Readonly<Record<string, unknown>>;
    for (const field of DEPENDENCY_FIELDS) {
      if (sorted(entry[field]) !== sorted(manifest[field]))
        findings.push({
          path,
          rule: "lock file",
          text: `${folder || "."}: ${field} differ from its package.json: npm install`,
        });
    }
  }
  return findings;
}

function sorted(dependencies: unknown): string {
  return JSON.stringify(Object.entries(dependencies ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
}
