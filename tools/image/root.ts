// Owns: the repository's path, for the programs that build the image.
import { fileURLToPath } from "node:url";

/** Absolute, without a slash at the end. */
export const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");
