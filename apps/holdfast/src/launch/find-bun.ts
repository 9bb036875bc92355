// Owns: finding the Bun that was installed with the package. It runs on Node.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

/** Bun was not installed with the package, or not for this machine. */
export class BunMissingError extends Error {
  readonly code = "bun_missing";
  constructor(looked: string) {
    super(
      `Cannot start Holdfast: found no Bun for ${process.platform} ${process.arch} in ${looked}, expected the package bun with its optional dependencies: npm install --include=optional`,
    );
    this.name = "BunMissingError";
  }
}

/** A placeholder is a few hundred bytes, the program about 100 MB. */
const PROGRAM_BYTES_MIN = 1_000_000;

/**
 * Path of a Bun that runs. npm may have been told to run no install scripts. Then the package `bun`
 * holds a placeholder, and the program is in the package of the platform. `from` is a file of this
 * package. Throws a BunMissingError.
 */
export function findBun(from: string): string {
  const bun = bunPackage(from);
  const placed = ["bun.exe", "bun"].map((name) => join(bun, "bin", name)).find(isProgram);
  if (placed !== undefined) return placed;
  const packages = [join(dirname(bun), "@oven"), join(bun, "node_modules/@oven")].filter(
    existsSync,
  );
  for (const folder of packages) {
    for (const name of readdirSync(folder)) {
      const path = ["bun", "bun.exe"]
        .map((file) => join(folder, name, "bin", file))
        .find(isProgram);
      // npm may have installed the packages of two C libraries; one of them runs here.
      if (path !== undefined && runs(path)) return path;
    }
  }
  throw new BunMissingError(dirname(bun));
}

function bunPackage(from: string): string {
  try {
    return dirname(createRequire(from).resolve("bun/package.json"));
  } catch {
    throw new BunMissingError(dirname(from));
  }
}

const isProgram = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() === true &&
  statSync(path).size >= PROGRAM_BYTES_MIN;

function runs(path: string): boolean {
  try {
    execFileSync(path, ["--version"], { stdio: "ignore", timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
