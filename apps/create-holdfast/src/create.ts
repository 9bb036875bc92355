// Owns: writing a new project from the template.
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";

/** The project cannot be made; the message is for people. */
export class CreateError extends Error {
  readonly code = "create_failed";
  constructor(message: string) {
    super(message);
    this.name = "CreateError";
  }
}

export interface CreateOptions {
  /** Folder of the new project, from `cwd`. */
  readonly target: string;
  readonly cwd: string;
  /** Folder of the template. */
  readonly template: string;
  /** Version of the packages that the project depends on. */
  readonly version: string;
}

/** npm leaves files of these names out of packages, so the template has them under others. */
const RENAMED: Readonly<Record<string, string>> = {
  _gitignore: ".gitignore",
  "_package.json": "package.json",
};
/** What may lie in a folder that counts as empty. */
const HARMLESS = new Set([".git", ".DS_Store"]);
const NAME = /^[a-z0-9][a-z0-9._-]{0,99}$/;

/** Writes the project and returns its folder. Overwrites nothing. Throws a CreateError. */
export function createProject({ target, cwd, template, version }: CreateOptions): string {
  const folder = resolve(cwd, target);
  const name = basename(folder)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-");
  if (!NAME.test(name))
    throw new CreateError(
      `Cannot create ${target}: found the name ${JSON.stringify(name)}, expected letters, digits, "-", "." and "_"`,
    );
  const found = existsSync(folder) ? readdirSync(folder).filter((file) => !HARMLESS.has(file)) : [];
  if (found.length > 0)
    throw new CreateError(
      `Cannot create ${target}: found ${found.slice(0, 3).join(", ")} in it, expected an empty folder or none`,
    );
  mkdirSync(folder, { recursive: true });
  cpSync(template, folder, { recursive: true });
  for (const [from, to] of Object.entries(RENAMED))
    if (existsSync(join(folder, from))) renameSync(join(folder, from), join(folder, to));
  for (const file of ["package.json", "README.md", "deploy/node.Dockerfile"]) {
    const path = join(folder, file);
    const text = readFileSync(path, "utf8");
    writeFileSync(path, text.replaceAll("{{name}}", name).replaceAll("{{version}}", version));
  }
  return folder;
}
