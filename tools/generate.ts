// Owns: the files that are made from code. `bun tools/generate.ts` writes them; with `--check` it only says which are out of step.
import { optionsReference } from "@holdfast/config";
import { renderHttpApiReference, renderMetricsReference, renderOpenApi } from "@holdfast/server";

const ROOT = new URL("../", import.meta.url);

interface Generated {
  readonly path: string;
  readonly text: () => string;
}

const FILES: readonly Generated[] = [
  { path: "docs/reference/options.md", text: optionsReference },
  { path: "docs/reference/http-api.md", text: renderHttpApiReference },
  { path: "docs/reference/metrics.md", text: renderMetricsReference },
  { path: "docs/reference/openapi.json", text: renderOpenApi },
];

/** The paths of generated files that are not what the code says. */
export async function outOfStep(): Promise<readonly string[]> {
  const found = await Promise.all(
    FILES.map(async ({ path, text }) => {
      const file = Bun.file(new URL(path, ROOT));
      return (await file.exists()) && (await file.text()) === text() ? [] : [path];
    }),
  );
  return found.flat();
}

if (import.meta.main) {
  const stale = await outOfStep();
  if (process.argv.includes("--check")) {
    for (const path of stale) console.log(`${path} is not in step with the code: npm run generate`);
    process.exitCode = stale.length > 0 ? 1 : 0;
  } else {
    for (const { path, text } of FILES) if (stale.includes(path)) await Bun.write(new URL(path, ROOT), text());
    console.log(stale.length === 0 ? "every generated file is in step" : `written: ${stale.join(", ")}`);
  }
}
