// Owns: empty projects outside of the workspace, in which packages are installed from their
// tarballs as a user would install them.
import { existsSync, readdirSync } from "node:fs";
import { cp, mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { PUBLISHED, TARBALLS } from "../../tools/release/published.ts";
import { patience } from "../patience.ts";

const FIXTURES = join(import.meta.dir, "fixtures");
const INSTALL_MS = 150_000;
/** Lines of a failed program's output that its error has. */
const SHOWN = 6_000;

/** Path of a package's tarball. `npm run test:packages` and `npm run release` write them. */
export function tarballOf(name: string): string {
  const start = `${name.replace("@", "").replace("/", "-")}-`;
  const found = (existsSync(TARBALLS) ? readdirSync(TARBALLS) : []).find(
    (file) => file.startsWith(start) && /^\d/.test(file.slice(start.length)),
  );
  if (found === undefined)
    throw new Error(`There is no tarball of ${name}: npm run release -- --dry-run`);
  return join(TARBALLS, found);
}

export interface ProjectOptions {
  /** Names of our packages, installed from their tarballs. */
  readonly ours: readonly string[];
  /** Packages of others with exact versions. */
  readonly others?: Readonly<Record<string, string>>;
  /** Members of package.json. */
  readonly manifest?: Readonly<Record<string, unknown>>;
  /** A folder of test/packages/fixtures that is copied into it. */
  readonly fixture?: string;
  readonly files?: Readonly<Record<string, string>>;
  /** Whether packages may run scripts when they are installed. Default true, as npm's. */
  readonly scripts?: boolean;
}

export interface Output {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** A failure is an answer and no error. */
  readonly mayFail?: boolean;
}

export interface Project extends AsyncDisposable {
  readonly folder: string;
  /** Writes files, by path. */
  write(files: Readonly<Record<string, string>>): Promise<void>;
  /** Runs a program in the folder. Rejects with its output if it fails. */
  run(command: readonly string[], options?: RunOptions): Promise<Output>;
  /** Path of an installed file. */
  installed(path: string): string;
}

/** Makes a project and installs its packages. It is removed with its scope. */
export async function makeProject(options: ProjectOptions): Promise<Project> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "holdfast-packages-")));
  const project = projectIn(folder);
  try {
    const manifest = { name: "app", private: true, type: "module", ...options.manifest };
    await project.write({ "package.json": JSON.stringify(manifest), ...options.files });
    if (options.fixture !== undefined)
      await cp(join(FIXTURES, options.fixture), folder, { recursive: true });
    const wanted = [
      ...options.ours.map(tarballOf),
      ...Object.entries(options.others ?? {}).map(([name, version]) => `${name}@${version}`),
    ];
    await install(project, wanted, options.scripts ?? true);
    return project;
  } catch (error) {
    await project[Symbol.asyncDispose]();
    throw error;
  }
}

/** Runs `npm install` with the packages, or with those of package.json. */
export async function install(
  project: Project,
  packages: readonly string[],
  scripts = true,
): Promise<void> {
  const flags = ["--prefer-offline", "--no-audit", "--no-fund", "--loglevel=error", "--save-exact"];
  await project.run(
    ["npm", "install", ...flags, ...(scripts ? [] : ["--ignore-scripts"]), ...packages],
    { timeoutMs: INSTALL_MS },
  );
}

/** A project that exists. */
export function projectIn(folder: string): Project {
  return {
    folder,
    async write(files) {
      for (const [path, text] of Object.entries(files)) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await Bun.write(join(folder, path), text);
      }
    },
    run: (command, options) => runIn(folder, command, options),
    installed: (path) => join(folder, "node_modules", path),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** What runs in a project knows nothing of this workspace, nor of the `npm test` around it. */
export function outsideEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(npm_(config_|package_|lifecycle_|node_)|HOLDFAST_|NODE_|BUN_)/i.test(name),
  );
  return { ...Object.fromEntries(kept), NO_COLOR: "1", CI: "1", ...more } as Record<string, string>;
}

async function runIn(
  folder: string,
  command: readonly string[],
  { env = {}, timeoutMs = 60_000, mayFail = false }: RunOptions = {},
): Promise<Output> {
  const child = Bun.spawn([...command], {
    cwd: folder,
    env: outsideEnv(env),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: patience(timeoutMs),
    killSignal: "SIGKILL",
  });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0 && !mayFail)
    throw new Error(
      `${command.slice(0, 3).join(" ")} ended with ${child.signalCode ?? code}:\n${(out + err).slice(-SHOWN)}`,
    );
  return { code, out, err };
}

/** Names of everything that is published. */
export const NAMES: readonly string[] = PUBLISHED.map(({ name }) => name);
