// Owns: turning the page's sources into what a node serves, and the policy that the page runs
// under.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { LIVE_PATH } from "./live.ts";
import { NODES_META } from "./names.ts";

/** One file as served. */
export interface ConsoleFile {
  readonly body: Uint8Array | string;
  /** The Content-Type header. */
  readonly type: string;
}

/**
 * The page could not be built; `message` has the bundler's first complaint. A bug in this package,
 * or an installation that is not whole.
 */
export class ConsoleBuildError extends Error {
  readonly code = "console_build_failed";
  constructor(message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "ConsoleBuildError";
  }
}

/**
 * The Content-Security-Policy header for every file of the page: only its own files, its own
 * origin's WebSocket and API, no inline script or style, no frames, no plug-ins.
 */
export const CONSOLE_CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

export interface BuildOptions {
  /** How many nodes serve the page. Default 1. */
  readonly nodes?: number;
}

/**
 * Bundles the page, or reads it if it was built already, as in the published command. Keys are URL
 * paths, `/` among them. Needs Bun; takes about 0.1 s. Throws `ConsoleBuildError`.
 */
export async function buildConsole({
  nodes = 1,
}: BuildOptions = {}): Promise<ReadonlyMap<string, ConsoleFile>> {
  const [html, mark, built] = await Promise.all([
    Bun.file(source("index.html")).text(),
    Bun.file(source("mark.svg")).text(),
    bundles(["main.tsx", "page.css", "theme.ts"]),
  ]);
  return new Map<string, ConsoleFile>([
    [
      "/",
      {
        body: html.replace(`${NODES_META}" content="1"`, `${NODES_META}" content="${nodes}"`),
        type: "text/html; charset=utf-8",
      },
    ],
    ["/assets/mark.svg", { body: mark, type: "image/svg+xml" }],
    ...built,
  ]);
}

/** The page of pipelines: as `buildConsole`, without its `/`. Throws `ConsoleBuildError`. */
export async function buildPipelinesPage(): Promise<ReadonlyMap<string, ConsoleFile>> {
  const [html, mark, built] = await Promise.all([
    Bun.file(source("pipelines.html")).text(),
    Bun.file(source("mark.svg")).text(),
    bundles(["pipelines.tsx", "pipelines.css", "theme.ts"]),
  ]);
  return new Map<string, ConsoleFile>([
    [LIVE_PATH, { body: html, type: "text/html; charset=utf-8" }],
    ["/assets/mark.svg", { body: mark, type: "image/svg+xml" }],
    ...built,
  ]);
}

async function bundles(names: readonly string[]): Promise<ReadonlyMap<string, ConsoleFile>> {
  const builtNames = names.map((name) => name.replace(/\.tsx?$/, ".js"));
  if (!builtNames.every((name) => existsSync(source(name)))) return bundle(names);
  const files = builtNames.map(
    async (name) => [name, await Bun.file(source(name)).bytes()] as const,
  );
  return new Map((await Promise.all(files)).map(([name, body]) => asset(name, body)));
}

const asset = (name: string, body: Uint8Array): readonly [string, ConsoleFile] => [
  `/assets/${name}`,
  {
    body,
    type: name.endsWith(".css") ? "text/css; charset=utf-8" : "text/javascript; charset=utf-8",
  },
];

async function bundle(names: readonly string[]): Promise<ReadonlyMap<string, ConsoleFile>> {
  const built = await Bun.build({
    entrypoints: names.map(source),
    target: "browser",
    // Workspace packages are taken from their sources, so that the page is what the tree says.
    conditions: ["bun"],
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
    naming: "[name].[ext]",
    throw: false,
  });
  if (!built.success)
    throw new ConsoleBuildError(
      `Cannot build the page: ${built.logs.map(String).join("; ").slice(0, 2000)}`,
    );
  const files = built.outputs.map(async (output) =>
    asset(output.path.replace(/^.*[\\/]/, ""), new Uint8Array(await output.arrayBuffer())),
  );
  return new Map(await Promise.all(files));
}

function source(name: string): string {
  return fileURLToPath(new URL(`./page/${name}`, import.meta.url));
}
