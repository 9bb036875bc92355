// Owns: nginx before the same servers, with the settings that people use for WebSockets.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProveError } from "../prove-error.ts";
import { childrenOf, type Front, type FrontPlace } from "./front.ts";

const READY_MS = 10_000;
/** New workers have the new servers after a reload. */
const RELOADED_MS = 500;
const LOOK_MS = 50;

export class NginxProcess implements Front {
  readonly #place: FrontPlace;
  readonly #process: Bun.Subprocess;

  private constructor(place: FrontPlace, program: string, endpoints: readonly string[]) {
    this.#place = place;
    mkdirSync(join(place.folder, "nginx"), { recursive: true });
    this.#write(endpoints);
    this.#process = Bun.spawn([program, "-p", place.folder, "-c", this.#file], {
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    });
  }

  /** Resolves when it listens. */
  static async start(place: FrontPlace, endpoints: readonly string[]): Promise<NginxProcess> {
    const { NGINX } = process.env;
    if (NGINX === undefined)
      throw new ProveError(
        "node_unusable",
        "Cannot start nginx: NGINX is not set, expected npm run prove -- --gateway to set it",
      );
    const nginx = new NginxProcess(place, NGINX, endpoints);
    const untilMs = performance.now() + READY_MS;
    while (performance.now() < untilMs) {
      const answer = await fetch(`http://127.0.0.1:${place.port}/`).catch(() => undefined);
      if (answer !== undefined) return nginx;
      await Bun.sleep(LOOK_MS);
    }
    throw new ProveError("not_in_time", `Cannot start nginx: found no answer in ${READY_MS} ms`);
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#place.port}/`;
  }

  async route(endpoints: readonly string[]): Promise<void> {
    this.#write(endpoints);
    this.#process.kill("SIGHUP");
    await Bun.sleep(RELOADED_MS);
  }

  /** Old workers keep old sockets until their server closes them. */
  async drain(_: string, others: readonly string[]): Promise<void> {
    await this.route(others);
  }

  async emptied(): Promise<void> {}

  async moves(): Promise<Readonly<Record<string, number>>> {
    return {};
  }

  pids(): readonly number[] {
    const { pid } = this.#process;
    return [pid, ...childrenOf(pid)];
  }

  async end(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.exited;
  }

  get #file(): string {
    return join(this.#place.folder, "nginx.conf");
  }

  #write(endpoints: readonly string[]): void {
    const servers = endpoints.map((address) => `    server ${address};`).join("\n");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `  ${name}_temp_path nginx/${name};`)
      .join("\n");
    writeFileSync(
      this.#file,
      `daemon off;
pid nginx/pid;
error_log nginx/error.log;
worker_processes 1;
worker_rlimit_nofile 20000;
events { worker_connections 16384; }
http {
  access_log off;
${temporary}
  upstream app {
    least_conn;
${servers}
  }
  server {
    listen 127.0.0.1:${this.#place.port};
    location / {
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_read_timeout 1h;
      proxy_send_timeout 1h;
    }
  }
}
`,
    );
  }
}
