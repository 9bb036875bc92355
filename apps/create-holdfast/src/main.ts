#!/usr/bin/env node
// Owns: the command `npm create holdfast`: arguments, the project, its packages, what to do next.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { CreateError, createProject } from "./create.ts";

const USAGE = "usage: npm create holdfast@latest <folder> [-- --no-install]";

function main(args: readonly string[]): number {
  const flags = args.filter((arg) => arg.startsWith("-"));
  const [target, ...rest] = args.filter((arg) => !arg.startsWith("-"));
  const unknown = flags.filter((flag) => flag !== "--no-install");
  if (target === undefined || rest.length > 0 || unknown.length > 0) {
    console.error(USAGE);
    return 2;
  }
  const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
  const { version } = JSON.parse(readFileSync(at("../package.json"), "utf8")) as {
    version: string;
  };
  const cwd = process.cwd();
  let folder: string;
  try {
    folder = createProject({ target, cwd, template: at("../template"), version });
  } catch (error) {
    if (!(error instanceof CreateError)) throw error;
    console.error(error.message);
    return 2;
  }
  const shown = relative(cwd, folder) || ".";
  console.log(`Written: ${shown}`);
  const installs = !flags.includes("--no-install");
  if (installs) {
    const npm = process.platform === "win32" ? "npm.cmd" : "npm";
    const { status } = spawnSync(npm, ["install", "--no-audit", "--no-fund"], {
      cwd: folder,
      stdio: "inherit",
    });
    if (status !== 0) {
      console.error("Cannot install the packages: see above. Try again with: npm install");
      return 1;
    }
  }
  const steps = [`cd ${shown}`, ...(installs ? [] : ["npm install"]), "npm run dev", "npm test"];
  console.log(`\nNext:\n${steps.map((step) => `  ${step}`).join("\n")}\n`);
  return 0;
}

process.exitCode = main(process.argv.slice(2));
