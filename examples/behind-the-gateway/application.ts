// Owns: the servers that run now, and how they are replaced: by a deploy, or because they died.
import type { PlainBalancer } from "./balancer.ts";
import { ExampleError } from "./example-error.ts";
import type { Gateway } from "./gateway.ts";
import { APPS, type App, ServerProcess } from "./server-process.ts";

export interface Status {
  /** Replacements so far. */
  readonly count: number;
  readonly kind: "deploy" | "death";
  readonly isBusy: boolean;
  readonly version: number;
  /** What happens, for people. */
  readonly step: string;
  /** What went wrong last, and what to do. */
  readonly failure: string | undefined;
}

export interface ApplicationNeeds {
  readonly folder: string;
  readonly gateway: Gateway;
  readonly balancers: Readonly<Record<App, PlainBalancer>>;
  /** Called at each step. */
  readonly onStep: (status: Status) => void;
}

const EMPTY_MS = 40_000;
/** Servers that die at once are not started for ever. */
const DEATHS_MAX = 10;
const DEATHS_MS = 10_000;
/** Those that die together start together. */
const TOGETHER_MS = 10;

export class Application {
  readonly #needs: ApplicationNeeds;
  #servers: readonly ServerProcess[] = [];
  /** They run, and get clients if a server dies: what other pods are in a cluster. */
  #spares: readonly ServerProcess[] = [];
  #status: Status = {
    ...{ count: 0, kind: "deploy", isBusy: true, version: 1 },
    ...{ step: "v1 starts", failure: undefined },
  };
  #isEnding = false;
  #deathsMs: number[] = [];
  #dead = new Set<ServerProcess>();
  /** Replacements run one after the other. */
  #work: Promise<void> = Promise.resolve();

  constructor(needs: ApplicationNeeds) {
    this.#needs = needs;
  }

  get status(): Status {
    return this.#status;
  }

  get servers(): readonly ServerProcess[] {
    return this.#servers;
  }

  /** The first version, behind a gateway that starts with it. */
  async start(): Promise<void> {
    this.#servers = await this.#startAll(APPS, 1);
    this.#sendNewcomers();
    await this.#needs.gateway.start(this.#servers);
    this.#spares = await this.#startAll(APPS, 1);
    this.#tell({ isBusy: false, step: "v1 serves" });
  }

  /** Replaces all servers by new ones of the next version. False: something happens already. */
  deploy(): boolean {
    if (this.#status.isBusy) return false;
    this.#begin("deploy", `v${this.#status.version + 1} starts`);
    this.#do(() => this.#deploy());
    return true;
  }

  /** Kills all servers as they are. The spare ones take over by themselves. */
  kill(): boolean {
    if (this.#status.isBusy) return false;
    for (const server of this.#servers) server.kill();
    return true;
  }

  async stop(): Promise<void> {
    this.#isEnding = true;
    await Promise.all([...this.#servers, ...this.#spares].map((server) => server.stop()));
  }

  async #deploy(): Promise<void> {
    const { gateway } = this.#needs;
    const [old, version] = [this.#servers, this.#status.version + 1];
    const next = await this.#startAll(APPS, version);
    await gateway.use([...old, ...next]);
    this.#servers = next;
    this.#sendNewcomers();
    this.#tell({ version, step: `v${version} takes clients; those of v${version - 1} move` });
    for (const server of old) await gateway.drain(server);
    await gateway.emptied(old, EMPTY_MS);
    this.#tell({ step: `nobody is on v${version - 1} behind the gateway: it gets SIGTERM` });
    await Promise.all([...old, ...this.#spares].map((server) => server.stop()));
    this.#spares = [];
    await gateway.use(next);
    this.#tell({ step: `v${version} serves, v${version - 1} has ended` });
    this.#spares = await this.#startAll(APPS, version);
  }

  async #revive(): Promise<void> {
    await Bun.sleep(TOGETHER_MS);
    const dead = this.#servers.filter((server) => this.#dead.has(server));
    this.#dead.clear();
    if (dead.length === 0 || this.#isEnding) return;
    const { version } = this.#status;
    const apps = dead.map(({ app }) => app);
    this.#begin("death", `${dead.map(({ name }) => name).join(" and ")} died`);
    const spares = this.#spares.filter(({ hasExited }) => !hasExited);
    const heirs = spares.filter(({ app }) => apps.includes(app));
    const lacking = apps.filter((one) => heirs.every(({ app }) => app !== one));
    const born = [...heirs, ...(await this.#startAll(lacking, version))];
    this.#servers = [...this.#servers.filter((server) => !dead.includes(server)), ...born];
    this.#spares = spares.filter((server) => !heirs.includes(server));
    this.#sendNewcomers();
    await this.#needs.gateway.use(this.#servers);
    this.#tell({ step: `v${version} serves again, in other processes` });
    this.#spares = [...this.#spares, ...(await this.#startAll(apps, version))];
  }

  #died(server: ServerProcess): void {
    if (this.#isEnding || !this.#servers.includes(server)) return;
    const nowMs = performance.now();
    this.#deathsMs = [...this.#deathsMs.filter((atMs) => nowMs - atMs < DEATHS_MS), nowMs];
    if (this.#deathsMs.length > DEATHS_MAX)
      return this.#tell({
        failure: `${server.name} died as others before it, more than ${DEATHS_MAX} times in ${DEATHS_MS / 1000} s: it is not started again. Press Ctrl-C, and see the logs in ${this.#needs.folder}`,
      });
    this.#dead.add(server);
    this.#do(() => this.#revive());
  }

  async #startAll(apps: readonly App[], version: number): Promise<readonly ServerProcess[]> {
    const { folder } = this.#needs;
    const started = await Promise.all(
      apps.map((app) => ServerProcess.start({ app, version, folder })),
    );
    for (const server of started) void server.exited.then(() => this.#died(server));
    if (!this.#isEnding) return started;
    for (const server of started) server.kill();
    throw new ExampleError("refused", "Cannot start servers: this program ends");
  }

  #do(task: () => Promise<void>): void {
    this.#work = this.#work.then(task).then(
      () => this.#tell({ isBusy: false }),
      (error: unknown) => {
        if (this.#isEnding) return;
        this.#tell({ isBusy: false, failure: error instanceof Error ? error.message : `${error}` });
      },
    );
  }

  #sendNewcomers(): void {
    for (const { app, address } of this.#servers) this.#needs.balancers[app].sendTo(address);
  }

  #begin(kind: Status["kind"], step: string): void {
    this.#tell({ kind, step, isBusy: true, failure: undefined, count: this.#status.count + 1 });
  }

  #tell(change: Partial<Status>): void {
    this.#status = { ...this.#status, ...change };
    this.#needs.onStep(this.#status);
  }
}
