import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { patience } from "../patience.ts";
import { makeProject, NAMES, type Project, tarballOf } from "./project.ts";

let project: Project;

beforeAll(async () => {
  project = await makeProject({
    ours: NAMES.filter((name) => name !== "create-holdfast"),
    others: {
      "@arethetypeswrong/cli": "0.18.5",
      "@types/react": "19.3.3",
      "bun-types": "1.4.5",
      publint: "0.3.25",
      react: "19.3.1",
      typescript: "5.9.3",
      typescript7: "npm:typescript@7.0.2",
      zod: "4.6.7",
    },
    fixture: "types",
    scripts: false,
  });
}, patience(180_000));
afterAll(() => project?.[Symbol.asyncDispose](), patience(120_000));

const STRICT = {
  strict: true,
  noEmit: true,
  exactOptionalPropertyTypes: true,
  target: "ES2022",
  lib: ["ES2023", "DOM", "DOM.Iterable"],
};

interface Compilation {
  readonly compiler: string;
  /** Copies of the same source: their endings say what they are. */
  readonly files: readonly string[];
  readonly options: object;
}

async function compile({ compiler, files, options }: Compilation): Promise<string> {
  const source = await Bun.file(`${project.folder}/use.ts`).text();
  const folder = `check-${compiler}-${Object.values(options).join("-")}`;
  await project.write({
    ...Object.fromEntries(files.map((file) => [`${folder}/${file}`, source])),
    [`${folder}/tsconfig.json`]: JSON.stringify({
      compilerOptions: { ...STRICT, types: [], ...options },
      include: ["*"],
    }),
  });
  const tsc = project.installed(`${compiler}/bin/tsc`);
  const run = await project.run(["node", tsc, "-p", folder], {
    mayFail: true,
    timeoutMs: 90_000,
  });
  return run.out.trim();
}

const BOTH = ["use.mts", "use.cts"];
describe.each([
  // The compiler that is quick looks into every declaration, the other one at what is used.
  ["typescript", { skipLibCheck: true }],
  ["typescript7", { skipLibCheck: false }],
] as const)("the compiler %s takes the types", (compiler, checks) => {
  test.each<readonly [string, readonly string[], object]>([
    ["bundler", ["use.ts"], { module: "esnext", moduleResolution: "bundler" }],
    ["nodenext, as ES modules and CommonJS", BOTH, { module: "nodenext" }],
    ["node16, as ES modules and CommonJS", BOTH, { module: "node16" }],
  ])(
    "with moduleResolution %s",
    async (_name, files, options) => {
      expect(await compile({ compiler, files, options: { ...checks, ...options } })).toBe("");
    },
    patience(100_000),
  );
});

test(
  "the types of the testkit and of holdfast/testing are whole",
  async () => {
    await project.write({
      "kit/use.ts": `
      import { startHoldfast } from "holdfast/testing";
      import { createSeededRandom } from "@holdfast/testkit";
      import { describeBroker } from "@holdfast/testkit/contract";
      import * as sim from "@holdfast/testkit/sim";
      export const next: number = createSeededRandom(1).next();
      export const all = [describeBroker, sim];
      export async function start(): Promise<string> {
        await using node = await startHoldfast({ contract: "holdfast.config.ts" });
        return node.url;
      }`,
      "kit/tsconfig.json": JSON.stringify({
        compilerOptions: {
          ...STRICT,
          // The types of Bun and Node differ in places that are not ours.
          skipLibCheck: true,
          lib: ["ESNext"],
          module: "nodenext",
          types: ["bun-types"],
        },
        include: ["*"],
      }),
    });
    const tsc = project.installed("typescript/bin/tsc");
    const { out } = await project.run(["node", tsc, "-p", "kit"], {
      mayFail: true,
      timeoutMs: 90_000,
    });
    expect(out.trim()).toBe("");
  },
  patience(100_000),
);

/** Subpaths that old compilers and CommonJS cannot resolve, by what each package has. */
const PROFILE: Readonly<Record<string, string>> = {
  "@holdfast/testkit": "esm-only",
  holdfast: "esm-only",
};

describe.each(NAMES.map((name) => [name]))(
  "the linters of packages find nothing in %s:",
  (name) => {
    test(
      "publint",
      async () => {
        const { out, err } = await project.run(
          ["node", project.installed("publint/src/cli.js"), tarballOf(name), "--strict"],
          { mayFail: true },
        );
        expect(out + err).toContain("All good!");
      },
      patience(60_000),
    );

    test(
      "attw",
      async () => {
        if (name === "create-holdfast") return;
        const attw = project.installed("@arethetypeswrong/cli/dist/index.js");
        // A file for <script type="module"> is an ES module alone, by its purpose.
        const excluded = name === "@holdfast/client" ? ["--exclude-entrypoints", "browser"] : [];
        const { out, code } = await project.run(
          [
            "node",
            attw,
            tarballOf(name),
            "--profile",
            PROFILE[name] ?? "node16",
            "--format",
            "ascii",
            ...excluded,
          ],
          { mayFail: true, timeoutMs: 90_000 },
        );
        expect({ code, out: code === 0 ? "" : out }).toEqual({ code: 0, out: "" });
      },
      patience(100_000),
    );
  },
);
