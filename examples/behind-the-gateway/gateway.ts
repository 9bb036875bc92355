// Owns: the gateway of this example as a process: its file, its reload, its control API.
import { createHash, randomBytes } from "node:crypto";
import { join } from "node:path";
import { ExampleError } from "./example-error.ts";
import type { App, ServerProcess } from "./server-process.ts";

const PROGRAM = join(import.meta.dir, "../../apps/holdfast/src/main.ts");
const READY_MS = 30_000;
const RELOAD_MS = 10_000;
const LOOK_MS = 20;
const END_MS = 5000;

export interface GatewayPlan {
  readonly host: string;
  readonly port: number;
  readonly adminPort: number;
  /** Where the page comes from. */
  readonly pageAddress: string;
  /** Of its file and its log. */
  readonly folder: string;
}

/** One server, as the gateway sees it. */
export interface Endpoint {
  readonly route: string;
  readonly address: string;
  readonly state: string;
  /** Clients that it holds there. */
  readonly sessions: number;
}

export class Gateway {
  readonly #plan: GatewayPlan;
  readonly #key = randomBytes(24).toString("hex");
  #process: Bun.Subprocess | undefined;
  /** Of two orders about a server, the higher one counts. */
  #token = 0;

  constructor(plan: GatewayPlan) {
    this.#plan = plan;
  }

  get file(): string {
    return join(this.#plan.folder, "gateway.yaml");
  }

  /** Resolves when it takes clients. */
  async start(servers: readonly ServerProcess[]): Promise<void> {
    await Bun.write(this.file, this.#text(servers));
    const log = Bun.file(this.#log);
    this.#process = Bun.spawn([process.execPath, PROGRAM, "gateway", "--config", this.file], {
      ...{ stdin: "ignore", stdout: log, stderr: log },
    });
    await this.#until("it is ready", READY_MS, async () => {
      const ready = `http://127.0.0.1:${this.#plan.adminPort}/readyz`;
      return (await fetch(ready).catch(() => undefined))?.ok === true;
    });
  }

  get exited(): Promise<unknown> | undefined {
    return this.#process?.exited;
  }

  /** Resolves when these servers are those that it knows. */
  async use(servers: readonly ServerProcess[]): Promise<void> {
    await Bun.write(this.file, this.#text(servers));
    // It would also see the file within 2 s.
    this.#process?.kill("SIGHUP");
    await this.#until("it knows the servers", RELOAD_MS, async () => {
      const known = (await this.endpoints()).filter(({ state }) => state === "taking");
      return servers.every(({ address }) => known.some((one) => one.address === address));
    });
  }

  /** Its clients move to another server, and it gets no more. */
  async drain({ app, address }: ServerProcess): Promise<void> {
    this.#token += 1;
    const path = `endpoints/${app}/${encodeURIComponent(address)}/drain`;
    await this.#ask("POST", path, { token: this.#token });
  }

  /** Resolves when nobody is on these servers any more. */
  async emptied(servers: readonly ServerProcess[], withinMs: number): Promise<void> {
    const addresses = servers.map(({ address }) => address);
    await this.#until("the old servers are empty", withinMs, async () =>
      (await this.endpoints())
        .filter(({ address }) => addresses.includes(address))
        .every(({ sessions }) => sessions === 0),
    );
  }

  async endpoints(): Promise<readonly Endpoint[]> {
    const { endpoints } = (await this.#ask("GET", "endpoints")) as {
      readonly endpoints: readonly Endpoint[];
    };
    return endpoints.filter(({ route }) => route !== "page");
  }

  async stop(): Promise<void> {
    this.#process?.kill("SIGTERM");
    const timer = setTimeout(() => this.#process?.kill("SIGKILL"), END_MS);
    await this.#process?.exited;
    clearTimeout(timer);
  }

  get #log(): string {
    return join(this.#plan.folder, "gateway.log");
  }

  #text(servers: readonly ServerProcess[]): string {
    const { host, port, adminPort, pageAddress } = this.#plan;
    const of = (app: App): string =>
      JSON.stringify(servers.filter((one) => one.app === app).map(({ address }) => address));
    return `# Written by the example: its servers come and go.
host: ${host}
port: ${port}
admin: { host: 127.0.0.1, port: ${adminPort} }
apiKeys:
  - name: example
    keyHash: sha256:${createHash("sha256").update(this.#key).digest("hex")}
    scopes: [endpoints, drain]
drain: { preDelayMs: 0, windowMs: 1000 }
routes:
  - name: editor
    path: /editor
    profile: { kind: yjs, dialect: hocuspocus }
    service: { static: ${of("editor")} }
  - name: game
    path: /game
    profile: stateless
    service: { static: ${of("game")} }
  - name: page
    path: /
    profile: none
    service: { static: ["${pageAddress}"] }
`;
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.#plan.adminPort}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (answer.ok) return await answer.json();
    throw new ExampleError(
      "refused",
      `Cannot ${method} ${path} of the gateway: found ${answer.status} ${(await answer.text()).slice(0, 200)}`,
    );
  }

  async #until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
    const untilMs = performance.now() + withinMs;
    while (!(await holds())) {
      const hasEnded = this.#process?.exitCode !== null;
      if (!hasEnded && performance.now() < untilMs) {
        await Bun.sleep(LOOK_MS);
        continue;
      }
      const words = (await Bun.file(this.#log).text()).trim().slice(-2000);
      throw new ExampleError(
        "not_in_time",
        `Cannot go on: the gateway ${hasEnded ? "ended" : `gave no sign that ${what}, expected one within ${withinMs / 1000} s`}. Its last words (${this.#log}):\n${words}`,
      );
    }
  }
}
