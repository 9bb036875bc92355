import { afterAll, beforeAll, expect, test } from "bun:test";
import { isTyped, pages, type Sample, samplesOf } from "../docs/pages.ts";
import { patience } from "../patience.ts";
import { makeProject, type Project } from "./project.ts";

const CONTRACT = new URL("../docs/preludes/holdfast.config.ts", import.meta.url);
let project: Project;
let samples: readonly Sample[];

beforeAll(async () => {
  samples = (await pages()).flatMap(({ path, text }) => samplesOf(path, text));
  project = await makeProject({
    ours: ["holdfast", "@holdfast/client", "@holdfast/contract", "@holdfast/api"],
    others: {
      "@types/express": "5.0.6",
      "@types/node": "22.20.7",
      "@types/phoenix": "1.6.7",
      ably: "2.28.0",
      centrifuge: "5.8.0",
      express: "5.3.0",
      fastify: "5.12.8",
      hono: "4.13.19",
      jose: "6.2.17",
      phoenix: "1.8.16",
      pusher: "5.3.4",
      "pusher-js": "8.6.0",
      "socket.io": "4.8.4",
      "socket.io-client": "4.8.4",
      typescript: "5.9.3",
      zod: "4.6.7",
    },
    scripts: false,
  });
}, patience(200_000));
afterAll(() => project?.[Symbol.asyncDispose](), patience(120_000));

/** The compiler's complaints, each with the page and line of its sample. */
async function complaints(of: readonly Sample[]): Promise<readonly string[]> {
  const files = of.filter(
    ({ language, marks }) => isTyped(language) && (marks.has("installed") || marks.has("file")),
  );
  const contract = await Bun.file(CONTRACT).text();
  for (const { page, line, language, marks, text } of files) {
    const folder = `guides/${page.replaceAll("/", "-")}`;
    const name = marks.get("file") ?? `line-${line}.${language}`;
    await project.write({
      [`${folder}/holdfast.config.ts`]: contract,
      [`${folder}/${name}`]: `${text}\nexport {};\n`,
    });
  }
  const used = new Set(files.filter(({ marks }) => marks.has("installed")).map(({ page }) => page));
  await project.write({
    "guides/tsconfig.json": JSON.stringify({
      compilerOptions: {
        strict: true,
        noEmit: true,
        skipLibCheck: true,
        target: "ES2022",
        lib: ["ES2023", "ESNext.Disposable", "DOM", "DOM.Iterable"],
        module: "esnext",
        moduleResolution: "bundler",
        jsx: "react-jsx",
        allowImportingTsExtensions: true,
        types: ["node"],
      },
      include: [...used].map((page) => `${page.replaceAll("/", "-")}/line-*`),
    }),
  });
  const tsc = project.installed("typescript/bin/tsc");
  const run = await project.run(["node", tsc, "-p", "guides"], {
    mayFail: true,
    timeoutMs: 90_000,
  });
  return run.out.split("\n").filter((line) => line !== "");
}

test(
  "samples with packages of others compile where those are installed",
  async () => {
    expect(samples.filter(({ marks }) => marks.has("installed")).length).toBeGreaterThan(8);
    expect(await complaints(samples)).toEqual([]);
  },
  patience(120_000),
);

test(
  "one that does not compile is found",
  async () => {
    const wrong = 'import express from "express";\n\nexpress().gett("/");\n';
    const page = `\n<!-- sample: installed -->\n\`\`\`ts\n${wrong}\`\`\`\n`;
    const found = await complaints(samplesOf("docs/wrong.md", page));
    expect(found.join("\n")).toContain("docs-wrong.md/line-3.ts(3,11): error TS2551");
  },
  patience(120_000),
);
