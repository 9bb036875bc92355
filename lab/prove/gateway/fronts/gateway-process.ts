// Owns: the gateway of the proof as a process: its file, its reload, its control API, its metrics.
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ProveError } from "../../prove-error.ts";
import { type Front, type FrontPlace, memoryBytes, type RouteOptions } from "../front.ts";

const PROGRAM = join(import.meta.dir, "../../../../apps/holdfast/src/main.ts");
const READY_MS = 30_000;
const RELOADED_MS = 5000;
const LOOK_MS = 50;
/** In which a gateway that stops closes its clients. */
const RESTART_MS = 2000;
/** Of its share, as balancing has it. */
const BALANCED_SHARE = 0.8;
/** Clients with a key go where it belongs, which gives nobody a share. */
const KEYS_MOVED_MS = 3000;
const ROUTE = "proof";
const MOVED = /^holdfast_gateway_moves_total\{.*cause="([a-z-]+)".*\} (\d+)/;

export class GatewayProcess implements Front {
  readonly #place: FrontPlace;
  readonly #key = randomBytes(24).toString("hex");
  #process: Bun.Subprocess;
  #token = 0;

  private constructor(place: FrontPlace, endpoints: readonly string[]) {
    this.#place = place;
    mkdirSync(place.folder, { recursive: true });
    this.#write(endpoints);
    this.#process = this.#spawn();
  }

  /** Resolves when it is ready. */
  static async start(place: FrontPlace, endpoints: readonly string[]): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(place, endpoints);
    await gateway.#ready();
    return gateway;
  }

  /** Its clients are closed in pace with 1012, and come back. */
  async restart(): Promise<void> {
    this.#process.kill("SIGTERM");
    await this.#process.exited;
    this.#process = this.#spawn();
    await this.#ready();
  }

  memoryBytes(): number {
    return memoryBytes(this.pids());
  }

  pids(): readonly number[] {
    return [this.#process.pid];
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#place.port}/`;
  }

  /** Other endpoints from now on: the file is written and read again. */
  async route(endpoints: readonly string[], options: RouteOptions = {}): Promise<void> {
    this.#write(endpoints, options);
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

  async balanced(address: string, withinMs: number): Promise<number> {
    const share = async (): Promise<{ readonly own: number; readonly wanted: number }> => {
      const known = await this.endpoints();
      const all = known.reduce((sum, { sessions }) => sum + sessions, 0);
      const own = known.find((one) => one.address === address)?.sessions ?? 0;
      return { own, wanted: (BALANCED_SHARE * all) / known.length };
    };
    if (this.#place.app.keyQuery !== undefined) await Bun.sleep(KEYS_MOVED_MS);
    else
      await this.#until(`${address} has its share`, withinMs, async () => {
        const { own, wanted } = await share();
        return own >= wanted;
      });
    return (await share()).own;
  }

  async moves(): Promise<Readonly<Record<string, number>>> {
    const answer = await fetch(`http://127.0.0.1:${this.#place.adminPort}/metrics`);
    const sums: Record<string, number> = {};
    for (const line of (await answer.text()).split("\n")) {
      const [, cause, count] = MOVED.exec(line) ?? [];
      if (cause !== undefined) sums[cause] = (sums[cause] ?? 0) + Number(count);
    }
    return sums;
  }

  async end(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  get #file(): string {
    return join(this.#place.folder, "gateway.json");
  }

  #spawn(): Bun.Subprocess {
    return Bun.spawn([process.execPath, PROGRAM, "gateway", "--config", this.#file], {
      ...{ stdin: "ignore", stderr: "inherit" },
      stdout: openSync(join(this.#place.folder, "gateway.log"), "a"),
    });
  }

  async #ready(): Promise<void> {
    await this.#until("it is ready", READY_MS, async () => {
      const answer = await fetch(`http://127.0.0.1:${this.#place.adminPort}/readyz`).catch(
        () => undefined,
      );
      return answer?.ok === true;
    });
  }

  #write(endpoints: readonly string[], { rebalances = false }: RouteOptions = {}): void {
    const { port, adminPort, app, handshakesPerSecond } = this.#place;
    const keyHash = `sha256:${createHash("sha256").update(this.#key).digest("hex")}`;
    const config = {
      ...{ host: "127.0.0.1", port, admin: { host: "127.0.0.1", port: adminPort } },
      apiKeys: [{ name: "proof", keyHash, scopes: ["*"] }],
      limits: { clientsMax: 20_000, clientsPerAddressMax: 20_000 },
      admission: { handshakesPerSecond },
      drain: { windowMs: RESTART_MS, preDelayMs: 0 },
      moves: { rebalancePerSecond: handshakesPerSecond },
      routes: [
        {
          ...{ name: ROUTE, path: "/", profile: app.profile, slowStartMs: 0 },
          ...(app.keyQuery === undefined ? {} : { key: { query: app.keyQuery } }),
          // Otherwise one whose server did not open in time stays apart from the others of its key.
          rebalance: rebalances || app.keyQuery !== undefined,
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
