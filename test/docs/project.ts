// Owns: the samples of the documents as files that can be compiled and run.
import { mkdir, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { patience } from "../patience.ts";
import { isTyped, lineAt, ROOT, type Sample } from "./pages.ts";

/**
 * Inside the repository, so that packages are found as an application's would be; of this process
 * alone.
 */
const FOLDER = `${ROOT}.cache/docs-samples-${process.pid}`;
const PRELUDES = `${ROOT}test/docs/preludes`;
const CONTRACT = "holdfast.config.ts";
const TSC_TIMEOUT_MS = patience(60_000);

/** A sample as a file. `lineOf` is the page's line of the file's line. */
export interface SampleFile {
  readonly sample: Sample;
  readonly path: string;
  readonly text: string;
  readonly lineOf: (line: number) => number;
}

export interface Project {
  readonly folder: string;
  readonly files: readonly SampleFile[];
  /** The contract that a page's samples talk of. */
  contractOf(page: string): string;
}

/** Removes everything that was written. */
export const removeProjects = (): Promise<void> => rm(FOLDER, { recursive: true, force: true });

/** Writes every TypeScript sample, beside a contract and below one tsconfig. */
export async function writeProject(name: string, samples: readonly Sample[]): Promise<Project> {
  const folder = `${FOLDER}/${name}`;
  await rm(folder, { recursive: true, force: true });
  const files = await Promise.all(
    samples
      .filter(({ language, marks }) => isTyped(language) && !marks.has("installed"))
      .map((sample) => fileOf(folder, sample)),
  );
  for (const page of new Set(files.map(({ sample }) => sample.page)))
    await Bun.write(`${folderOf(folder, page)}/${CONTRACT}`, Bun.file(`${PRELUDES}/${CONTRACT}`));
  for (const { path, text } of files) {
    await mkdir(dirname(path), { recursive: true });
    await Bun.write(path, text);
  }
  const config = {
    extends: `${ROOT}tsconfig.tests.json`,
    include: ["**/*"],
    exclude: ["**/*.run.*"],
  };
  await Bun.write(`${folder}/tsconfig.json`, JSON.stringify(config));
  return { folder, files, contractOf: (page) => `${folderOf(folder, page)}/${CONTRACT}` };
}

const folderOf = (folder: string, page: string): string =>
  `${folder}/${page.replaceAll("/", "-").replace(/\.md$/, "")}`;

async function fileOf(folder: string, sample: Sample): Promise<SampleFile> {
  const { language, line, marks, page, text } = sample;
  const path = `${folderOf(folder, page)}/${marks.get("file") ?? `line-${line}.${language}`}`;
  const prelude = marks.get("prelude");
  const around =
    prelude === undefined ? "// sample\n" : await Bun.file(`${PRELUDES}/${prelude}.ts`).text();
  const mark = /^ *\/\/ sample$/m.exec(around);
  if (mark === null) throw new Error(`the prelude ${prelude} has no line "// sample"`);
  const before = lineAt(around, mark.index);
  // Without an import or export a file would share its names with all others.
  const whole = `${around.slice(0, mark.index)}${text}${around.slice(mark.index + mark[0].length + 1)}export {};\n`;
  return { sample, path, text: whole, lineOf: (at) => at - before + line + 1 };
}

/** What the compiler has to say of a project's files, each as `page:line: message`. */
export async function compile(project: Project): Promise<readonly string[]> {
  const args = [
    `${ROOT}node_modules/typescript/bin/tsc`,
    "-p",
    project.folder,
    "--pretty",
    "false",
  ];
  const tsc = Bun.spawn(["node", ...args], {
    cwd: project.folder,
    stdout: "pipe",
    stderr: "pipe",
    timeout: TSC_TIMEOUT_MS,
  });
  const [output, code] = await Promise.all([new Response(tsc.stdout).text(), tsc.exited]);
  const lines = output.split("\n").filter((line) => line !== "" && !line.startsWith(" "));
  if (lines.length === 0 && code !== 0) return [`the compiler ended with ${code}`];
  return lines.map((line) => {
    const [, path = "", at = "", message = line] = /^(.+?)\((\d+),\d+\): (.*)$/.exec(line) ?? [];
    const file = project.files.find((candidate) => candidate.path === `${project.folder}/${path}`);
    return file === undefined ? line : `${file.sample.page}:${file.lineOf(Number(at))}: ${message}`;
  });
}
