// Owns: the page of this example: its files, what it hears of the servers, and its two buttons.
import { join } from "node:path";
import type { Application } from "./application.ts";
import { ExampleError } from "./example-error.ts";
import type { Endpoint, Gateway } from "./gateway.ts";
import type { App } from "./server-process.ts";

export interface SiteNeeds {
  /** Ports of the plain balancers. */
  readonly plainPorts: Readonly<Record<App, number>>;
  readonly application: () => Application;
  readonly gateway: () => Gateway;
}

const LOOK_MS = 250;
/** Windows that hear what happens. Others hear nothing of it, and say so. */
const LISTENERS_MAX = 100;
const FOLDER = join(import.meta.dir, "page");
const DEMO_PAGE = join(import.meta.dir, "../../apps/demo/src/page");

export class Site {
  readonly #needs: SiteNeeds;
  readonly #files: ReadonlyMap<string, Response>;
  readonly #server: Bun.Server<undefined>;
  readonly #listeners = new Set<Bun.ServerWebSocket<undefined>>();
  readonly #timer: ReturnType<typeof setInterval>;
  #endpoints: readonly Endpoint[] = [];
  #told = "";

  private constructor(needs: SiteNeeds, files: ReadonlyMap<string, Response>) {
    this.#needs = needs;
    this.#files = files;
    this.#server = Bun.serve({
      ...{ hostname: "127.0.0.1", port: 0 },
      fetch: (request, server) => {
        const isListener = new URL(request.url).pathname === "/events";
        if (isListener && this.#listeners.size < LISTENERS_MAX && server.upgrade(request)) return;
        return this.#answer(request);
      },
      // A stream of HTTP would do, but browsers have six of them for all windows.
      websocket: {
        open: (listener) => {
          this.#listeners.add(listener);
          listener.send(this.#words());
        },
        message: (listener) => listener.close(1008, "expected no message"),
        close: (listener) => void this.#listeners.delete(listener),
      },
    });
    this.#timer = setInterval(() => void this.#look(), LOOK_MS);
  }

  static async start(needs: SiteNeeds): Promise<Site> {
    return new Site(needs, await build());
  }

  get address(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  /** Says what happens to every window, if that is new. */
  tell(): void {
    const text = this.#words();
    if (text === this.#told) return;
    this.#told = text;
    for (const listener of this.#listeners) listener.send(text);
  }

  stop(): void {
    clearInterval(this.#timer);
    void this.#server.stop(true);
  }

  #answer(request: Request): Response {
    const { pathname } = new URL(request.url);
    if (request.method === "POST" && ["/deploy", "/kill"].includes(pathname))
      return this.#order(request, pathname);
    if (request.method !== "GET") return new Response("expected GET\n", { status: 405 });
    const file = this.#files.get(pathname);
    if (file === undefined) return new Response("no such page\n", { status: 404 });
    const answer = file.clone();
    answer.headers.set("content-security-policy", this.#policy(request));
    return answer;
  }

  /** Only this page may ask: a browser does not let other pages set the header. */
  #order(request: Request, pathname: string): Response {
    if (request.headers.get("x-example") === null)
      return new Response("expected the header x-example\n", { status: 403 });
    const application = this.#needs.application();
    const isTaken = pathname === "/deploy" ? application.deploy() : application.kill();
    return isTaken
      ? new Response("it begins\n", { status: 202 })
      : new Response("something else is under way\n", { status: 409 });
  }

  async #look(): Promise<void> {
    this.#endpoints = await this.#needs
      .gateway()
      .endpoints()
      .catch(() => this.#endpoints);
    this.tell();
  }

  #words(): string {
    const { status, servers } = this.#needs.application();
    const named = servers.map(({ app, version, pid, address }) => {
      const known = this.#endpoints.find((one) => one.route === app && one.address === address);
      return { app, name: `v${version} · ${pid}`, clients: known?.sessions ?? 0 };
    });
    const { plainPorts } = this.#needs;
    return JSON.stringify({ ...status, servers: named, plainPorts });
  }

  /** The plain balancers are other origins. */
  #policy(request: Request): string {
    const asked = request.headers.get("x-forwarded-host") ?? request.headers.get("host") ?? "";
    const [host = ""] = /^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(?=:|$)/i.exec(asked) ?? [];
    const plain = Object.values(this.#needs.plainPorts).map((port) => `ws://${host}:${port}`);
    return `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ${plain.join(" ")}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  }
}

/** The page's files by their paths. */
async function build(): Promise<ReadonlyMap<string, Response>> {
  const built = await Bun.build({
    entrypoints: [
      join(FOLDER, "main.ts"),
      join(FOLDER, "page.css"),
      // The reader's choice of light or dark is that of the page of `npm start`.
      join(DEMO_PAGE, "theme.ts"),
    ],
    ...{ target: "browser", minify: true, naming: "[name].[ext]", throw: false },
  });
  if (!built.success)
    throw new ExampleError(
      "not_started",
      `Cannot build the page: ${built.logs.map(String).join("; ").slice(0, 2000)}`,
    );
  const assets = built.outputs.map(async (output) => {
    const name = output.path.replace(/^.*[\\/]/, "");
    const type = name.endsWith(".css") ? "text/css" : "text/javascript";
    return [`/${name}`, file(await output.text(), type)] as const;
  });
  return new Map([
    ["/", file(await Bun.file(join(FOLDER, "index.html")).text(), "text/html")],
    ["/mark.svg", file(await Bun.file(join(DEMO_PAGE, "mark.svg")).text(), "image/svg+xml")],
    ...(await Promise.all(assets)),
  ]);
}

const file = (body: string, type: string): Response =>
  new Response(body, {
    headers: { "content-type": `${type}; charset=utf-8`, "cache-control": "no-store" },
  });
