// Owns: whether a file can be run.
import { accessSync, constants } from "node:fs";

/** @param {string} path */
export function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
