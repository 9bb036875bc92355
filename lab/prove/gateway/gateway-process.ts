// Owns: the gateway of the proof as a process: its file, its reload, its control API, its metrics.
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProveError } from "../prove-error.ts";
import type { App } from "./app.ts";

const PROGRAM = join(import.meta.dir, "../../../apps/holdfast/src/main.ts");
const READY_MS = 30_000;
const RELOADED_MS = 5000;
const LOOK_MS = 50;
const TICKS_PER_SECOND = 100;
const ROUTE = "proof";

export interface GatewayPlace {
  readonly folder: string;
  readonly port: number;
  readonly adminPort: number;
  readonly app: App;
  /** Handshakes a second that it takes, and that its endpoints get. */
  readonly handshakesPerSecond: number;
  readonly drainMs: number;
}

export class GatewayProcess {
  readonly #place: GatewayPlace;
  readonly #key = randomBytes(24).toString("hex");
  readonly #process: Bun.Subprocess;
  #token = 0;

  private constructor(place: GatewayPlace, endpoints: readonly string[]) {
    this.#place = place;
    this.#write(endpoints);
    this.#process = Bun.spawn([process.execPath, PROGRAM, "gateway", "--config", this.#file], {
      ...{
        stdin: "ignore",
        stdout: Bun.file(join(place.folder, "gateway.log")),
        stderr: "inherit",
      },
    });
  }

  /** Resolves when it is ready. */
  static async start(place: GatewayPlace, endpoints: readonly string[]): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(place, endpoints);
    await gateway.#until("it is ready", READY_MS, async () => {
      const answer = await fetch(`http://127.0.0.1:${place.adminPort}/readyz`).catch(
        () => undefined,
      );
      return answer?.ok === true;
    });
    return gateway;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#place.port}/`;
  }

  /** Other endpoints from now on: the file is written and read again. */
  async route(endpoints: readonly string[]): Promise<void> {
    this.#write(endpoints);
    this.#process.kill("SIGHUP");
    const wanted = new Set(endpoints);
    await this.#until("it has the endpoints", RELOADED_MS, async () => {
      const known = await this.endpoints();
      const taking = known.filter(({ state }) => state !== "leaving");
      return (
        taking.every(({ address }) => wanted.has(address)) &&
        endpoints.every((address) => known.some((one) => one.address === address))
      );
    });
  }

  /** Clients of an endpoint move, and it gets no more. */
  async drain(address: string): Promise<void> {
    const path = `endpoints/${ROUTE}/${encodeURIComponent(address)}/drain`;
    await this.#ask("POST", path, { token: ++this.#token, windowMs: this.#place.drainMs });
  }

  async endpoints(): Promise<
    readonly { readonly address: string; readonly state: string; readonly sessions: number }[]
  > {
    const { endpoints } = (await this.#ask("GET", `endpoints?route=${ROUTE}`)) as {
      readonly endpoints: { address: string; state: string; sessions: number }[];
    };
    return endpoints;
  }

  /** Resolves when nobody is on the endpoint. */
  async emptied(address: string): Promise<void> {
    await this.#until(`${address} is empty`, 2 * this.#place.drainMs, async () => {
      const one = (await this.endpoints()).find((known) => known.address === address);
      return one === undefined || one.sessions === 0;
    });
  }

  /** Seconds of a processor that it has used. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.pid}/stat`, "utf8");
    const [user = 0, system = 0] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13)
      .map(Number);
    return (user + system) / TICKS_PER_SECOND;
  }

  /** Its memory, in bytes. */
  memoryBytes(): number {
    const status = readFileSync(`/proc/${this.pid}/status`, "utf8");
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
  }

  /** Sums of its counters, by name and labels. */
  async counters(name: string): Promise<ReadonlyMap<string, number>> {
    const answer = await fetch(`http://127.0.0.1:${this.#place.adminPort}/metrics`);
    const lines = (await answer.text()).split("\n").filter((line) => line.startsWith(name));
    return new Map(
      lines.map((line): [string, number] => {
        const space = line.lastIndexOf(" ");
        return [line.slice(name.length, space), Number(line.slice(space + 1))];
      }),
    );
  }

  signal(signal: "SIGTERM" | "SIGKILL"): void {
    this.#process.kill(signal);
  }

  async ended(): Promise<number> {
    return await this.#process.exited;
  }

  get #file(): string {
    return join(this.#place.folder, "gateway.json");
  }

  #write(endpoints: readonly string[]): void {
    const { port, adminPort, app, handshakesPerSecond, drainMs } = this.#place;
    const keyHash = `sha256:${createHash("sha256").update(this.#key).digest("hex")}`;
    const config = {
      ...{ host: "127.0.0.1", port, admin: { host: "127.0.0.1", port: adminPort } },
      apiKeys: [{ name: "proof", keyHash, scopes: ["*"] }],
      limits: { clientsMax: 20_000, clientsPerAddressMax: 20_000 },
      admission: { handshakesPerSecond },
      drain: { windowMs: drainMs, preDelayMs: 0 },
      routes: [
        {
          ...{ name: ROUTE, path: "/", profile: app.profile, slowStartMs: 0 },
          service: { static: endpoints },
        },
      ],
    };
    writeFileSync(this.#file, JSON.stringify(config));
  }

  async #ask(method: string, path: string, body?: object): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${this.#place.adminPort}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#key}`, "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const content = await answer.text();
    if (answer.ok) return content === "" ? undefined : JSON.parse(content);
    throw new ProveError(
      "node_unusable",
      `Cannot ${method} ${path} of the gateway: found ${answer.status} ${content.slice(0, 200)}`,
    );
  }

  async #until(what: string, withinMs: number, holds: () => Promise<boolean>): Promise<void> {
    const untilMs = performance.now() + withinMs;
    while (performance.now() < untilMs) {
      if (await holds()) return;
      if (this.#process.exitCode !== null)
        throw new ProveError("node_unusable", "Cannot continue: the gateway ended");
      await Bun.sleep(LOOK_MS);
    }
    throw new ProveError(
      "not_in_time",
      `Cannot continue: found no sign that ${what}, expected one within ${withinMs} ms`,
    );
  }
}
