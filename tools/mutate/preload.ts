// Owns: replacing a file by its mutant, in the process of a test run. The variables are set by
// tests.ts.
import { readFileSync } from "node:fs";
import { plugin } from "bun";

const path = process.env.MUTANT_PATH;
const text = process.env.MUTANT_TEXT;

if (path !== undefined && text !== undefined)
  plugin({
    name: "mutant",
    setup(build) {
      const filter = new RegExp(`${path.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}$`);
      build.onLoad({ filter }, () => ({ contents: readFileSync(text, "utf8"), loader: "ts" }));
    },
  });
