// Owns: the server of the factory's page: its files, the table's newest rows, and what dev says of
// its nodes.
import { join } from "node:path";
import { SQL } from "bun";

export interface SiteOptions {
  /** Where the page is. */
  readonly port: number;
  /** Of `holdfast dev`, on this machine. */
  readonly nodesPort: number;
  readonly databaseUrl: string;
}

export interface Site {
  readonly port: number;
  stop(): Promise<void>;
}

/** Thrown if the page cannot be built. */
export class SiteError extends Error {
  readonly code = "page_not_built";
}

const FOLDER = join(import.meta.dir, "page");
const DEMO_PAGE = join(import.meta.dir, "../../apps/demo/src/page");
/** Rows of one answer: half a minute of 600 machines. */
const ROWS_MAX = 2_000;
const ASK_MS = 3_000;

export async function startSite(options: SiteOptions): Promise<Site> {
  const files = await build(options.nodesPort);
  const sql = new SQL({ url: options.databaseUrl, max: 2 });
  const dev = `http://127.0.0.1:${options.nodesPort}/dev`;
  const server = Bun.serve({
    ...{ hostname: "127.0.0.1", port: options.port },
    routes: {
      "/rows": { GET: (request) => rows(sql, request) },
      "/nodes": { GET: () => ask(`${dev}/nodes`) },
      // Only this page may order it: a browser does not let other pages set the header.
      "/restart": {
        POST: ({ headers }) =>
          headers.has("x-example")
            ? ask(`${dev}/restart`, { method: "POST" })
            : new Response("expected the header x-example\n", { status: 403 }),
      },
    },
    fetch: (request) => file(files, { request, nodesPort: options.nodesPort }),
  });
  return {
    port: server.port ?? options.port,
    async stop() {
      await server.stop(true);
      await sql.close({ timeout: 1 }).catch(() => {});
    },
  };
}

async function rows(sql: SQL, request: Request): Promise<Response> {
  const since = Number(new URL(request.url).searchParams.get("since") ?? 0);
  if (!Number.isSafeInteger(since)) return new Response("since: expected ms\n", { status: 400 });
  try {
    const found = await sql`
      SELECT line, machine, at, mean, most, n FROM heat
      WHERE at >= ${since} ORDER BY at DESC LIMIT ${ROWS_MAX}`;
    const windows = found.map((row: Record<string, unknown>) => ({
      ...{ line: row.line, machine: row.machine, fromMs: Number(row.at) },
      ...{ mean: Number(row.mean), most: Number(row.most), n: Number(row.n) },
    }));
    return Response.json(windows.reverse(), { headers: { "cache-control": "no-store" } });
  } catch (error) {
    console.error(`The table cannot be read: ${error instanceof Error ? error.message : error}`);
    return new Response("the table cannot be read\n", { status: 502 });
  }
}

/** What dev answers. Nothing (204) while its nodes cannot be asked. */
async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  try {
    const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(ASK_MS) });
    return new Response(await answer.text(), {
      status: answer.status,
      headers: { "cache-control": "no-store" },
    });
  } catch {
    return new Response(null, { status: 204 });
  }
}

interface Asked {
  readonly request: Request;
  readonly nodesPort: number;
}

function file(files: ReadonlyMap<string, Response>, { request, nodesPort }: Asked): Response {
  const found = files.get(new URL(request.url).pathname);
  if (found === undefined) return new Response("no such page\n", { status: 404 });
  const answer = found.clone();
  // The nodes are another origin.
  const host = request.headers.get("host") ?? "";
  const [name = "localhost"] = /^[a-z0-9.-]+(?=:|$)/i.exec(host) ?? [];
  const nodes = `http://${name}:${nodesPort} ws://${name}:${nodesPort}`;
  answer.headers.set(
    "content-security-policy",
    `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ${nodes}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
  );
  return answer;
}

/** The page's files by their paths. */
async function build(nodesPort: number): Promise<ReadonlyMap<string, Response>> {
  const built = await Bun.build({
    entrypoints: [
      join(FOLDER, "main.ts"),
      join(FOLDER, "page.css"),
      // The reader's choice of light or dark is that of the page of `npm start`.
      join(DEMO_PAGE, "theme.ts"),
    ],
    // The client is taken from its sources.
    conditions: ["bun"],
    ...{ target: "browser", minify: true, naming: "[name].[ext]", throw: false },
  });
  if (!built.success)
    throw new SiteError(`Cannot build the page: ${built.logs.map(String).join("; ")}`);
  const assets = built.outputs.map(async (output) => {
    const name = output.path.replace(/^.*[\\/]/, "");
    const type = name.endsWith(".css") ? "text/css" : "text/javascript";
    return [`/${name}`, served(await output.text(), type)] as const;
  });
  const html = await Bun.file(join(FOLDER, "index.html")).text();
  return new Map([
    [
      "/",
      served(
        html.replace('"nodes-port" content=""', `"nodes-port" content="${nodesPort}"`),
        "text/html",
      ),
    ],
    ["/mark.svg", served(await Bun.file(join(DEMO_PAGE, "mark.svg")).text(), "image/svg+xml")],
    ...(await Promise.all(assets)),
  ]);
}

const served = (body: string, type: string): Response =>
  new Response(body, {
    headers: { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" },
  });
