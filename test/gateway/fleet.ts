// Owns: gateway processes of one configuration behind one address, which tests replace and kill.

import { expect } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Balancer, startBalancer } from "@holdfast/relay";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { until } from "./bed.ts";

export interface Gateway {
  readonly id: string;
  readonly command: RunningCommand;
  metric(series: string): Promise<number>;
}

/** Starts gateways of one configuration, and replaces them, behind one address. */
export class Fleet {
  readonly #config: object;
  readonly #balancer: Balancer = startBalancer({ checkEveryMs: 20 });
  readonly #commands: RunningCommand[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "holdfast-fleet-"));
  readonly gateways: Gateway[] = [];

  constructor(config: object) {
    this.#config = config;
  }

  get port(): number {
    return this.#balancer.port;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}/`;
  }

  async start(): Promise<Gateway> {
    const [port, adminPort] = [await freePort(), await freePort()];
    const id = `gateway-${this.gateways.length}`;
    const file = join(this.#folder, `${id}-${port}.json`);
    const host = "127.0.0.1";
    writeFileSync(
      file,
      JSON.stringify({ host, port, admin: { host, port: adminPort }, ...this.#config }),
    );
    const command = startCommand(["gateway", "--config", file], { cwd: this.#folder });
    this.#commands.push(command);
    const admin = `http://${host}:${adminPort}`;
    this.#balancer.add({ id, host, port, readyUrl: `${admin}/readyz` });
    await this.#balancer.whenReady(id, patience(20_000));
    const gateway: Gateway = {
      ...{ id, command },
      metric: async (series) => {
        const page = await (await fetch(`${admin}/metrics`)).text();
        const line = page.split("\n").find((one) => one.startsWith(`${series} `));
        return Number(line?.split(" ").at(-1));
      },
    };
    this.gateways.push(gateway);
    return gateway;
  }

  stop(): void {
    this.#balancer.stop();
    for (const command of this.#commands) command.signal("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** Starts another one, and ends this one with SIGTERM. */
  async replace(old: Gateway): Promise<Gateway> {
    const fresh = await this.start();
    old.command.signal("SIGTERM");
    await until("the balancer has noticed", () =>
      this.#balancer.backends().some(({ id, ready }) => id === old.id && !ready),
    );
    expect(await old.command.ended()).toBe(0);
    this.#balancer.remove(old.id);
    return fresh;
  }
}
