// Owns: the back end's process: its environment, its port, the built page.
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { extname, join, normalize } from "node:path";
import { Readable } from "node:stream";
import { createApp } from "./app.ts";

const { PORT = "3000", NODE_URL = "http://localhost:8000", API_KEY, JWT_SECRET } = process.env;
if (!API_KEY || !JWT_SECRET) {
  console.error("Cannot start: found no API_KEY or no JWT_SECRET, expected both (see README.md)");
  process.exit(2);
}
const app = createApp({ nodeUrl: NODE_URL, apiKey: API_KEY, jwtSecret: JWT_SECRET });

const PAGE = join(import.meta.dirname, "../client");
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};

async function answer(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const url = new URL(incoming.url ?? "/", "http://server");
  const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD";
  const request = new Request(url, {
    method: incoming.method ?? "GET",
    ...(hasBody ? { body: Readable.toWeb(incoming) as ReadableStream, duplex: "half" } : {}),
  } as RequestInit);
  const response = (await app(request)) ?? (await file(url.pathname));
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  outgoing.end(Buffer.from(await response.arrayBuffer()));
}

/** A file of the built page. In development Vite serves the page. */
async function file(pathname: string): Promise<Response> {
  const path = normalize(join(PAGE, pathname === "/" ? "index.html" : pathname));
  if (!path.startsWith(PAGE)) return new Response(null, { status: 404 });
  return readFile(path).then(
    (body) =>
      new Response(new Uint8Array(body), {
        headers: { "content-type": TYPES[extname(path)] ?? "application/octet-stream" },
      }),
    () => new Response(null, { status: 404 }),
  );
}

const server = createServer((incoming, outgoing) => {
  answer(incoming, outgoing).catch((error: unknown) => {
    console.error(error);
    outgoing.writeHead(500).end();
  });
});
server.listen(Number(PORT), () => console.log(`the back end listens on port ${PORT}`));
for (const signal of ["SIGINT", "SIGTERM"] as const)
  process.once(signal, () => server.close(() => process.exit(0)));
