// Checks that the page of the first guide can be served as the guide says, from what a clone has.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { patience } from "../patience.ts";
import { pages, ROOT } from "./pages.ts";

setDefaultTimeout(patience(60_000));

// Inside of the clone, where the packages are found.
mkdirSync(join(ROOT, ".cache"), { recursive: true });
const folder = mkdtempSync(join(ROOT, ".cache", "guide-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the guide's page is bundled after the command that the guide gives for it", async () => {
  const guide = (await pages()).find(({ path }) => path === "docs/guide/getting-started.md");
  const section = guide?.text.slice(guide.text.indexOf("## In the browser")) ?? "";
  const block = (language: string) =>
    new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(section)?.[1] ?? "";
  await Bun.write(join(folder, "index.html"), block("html"));
  await Bun.write(join(folder, "page.ts"), block("ts"));
  const first = block("sh").split(/\s+#|\n/)[0] ?? "";
  expect(first).toStartWith("npm run ");
  const built = Bun.spawnSync(first.split(" "), { cwd: ROOT, stderr: "pipe" });
  expect({ status: built.exitCode, text: built.stderr.toString() }).toMatchObject({ status: 0 });
  const page = Bun.spawnSync(
    [process.execPath, "build", join(folder, "index.html"), `--outdir=${join(folder, "out")}`],
    { stderr: "pipe" },
  );
  expect({ status: page.exitCode, text: page.stderr.toString() }).toMatchObject({ status: 0 });
});
