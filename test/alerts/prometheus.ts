// Owns: a real Prometheus for tests, on a free loopback port and in a folder of its own: targets
// that change, rules, questions.
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { findProgram } from "./promtool.ts";

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [number, string];
}

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Time in seconds since 1970, and value. */
  readonly values: readonly (readonly [number, string])[];
}

export interface Alert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly state: "pending" | "firing";
}

const START_MS = 15_000;
const SCRAPE = "500ms";

export class Prometheus {
  readonly #folder: string;
  readonly #process: Bun.Subprocess;
  readonly #url: string;

  private constructor(folder: string, process: Bun.Subprocess, port: number) {
    this.#folder = folder;
    this.#process = process;
    this.#url = `http://127.0.0.1:${port}`;
  }

  /** Scrapes and evaluates twice a second. `rules`: texts of rule files. */
  static async start(rules: readonly string[]): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-prometheus-"));
    const files = rules.map((text, index) => {
      const file = join(folder, `rules-${index}.yaml`);
      writeFileSync(file, text);
      return file;
    });
    const config = {
      global: { scrape_interval: SCRAPE, scrape_timeout: SCRAPE, evaluation_interval: SCRAPE },
      rule_files: files,
      scrape_configs: [
        {
          job_name: "holdfast",
          file_sd_configs: [{ files: [join(folder, "targets.json")], refresh_interval: "1s" }],
        },
      ],
    };
    writeFileSync(join(folder, "targets.json"), "[]");
    writeFileSync(join(folder, "prometheus.yaml"), JSON.stringify(config));
    const port = await freePort();
    const args = [
      `--config.file=${join(folder, "prometheus.yaml")}`,
      `--storage.tsdb.path=${join(folder, "data")}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--log.level=warn",
    ];
    const process = Bun.spawn([findProgram("prometheus"), ...args], {
      cwd: folder,
      stdin: "ignore",
      stdout: "ignore",
      stderr: "inherit",
    });
    const prometheus = new Prometheus(folder, process, port);
    const deadlineMs = performance.now() + patience(START_MS);
    while (!(await prometheus.#answers())) {
      if (performance.now() > deadlineMs || process.exitCode !== null) {
        await prometheus.stop();
        throw new Error(`Prometheus did not start within ${START_MS} ms`);
      }
      await Bun.sleep(50);
    }
    return prometheus;
  }

  /**
   * What is scraped from now on, by address of the internal listener, with labels as discovery
   * would give them.
   */
  scrape(
    targets: readonly {
      readonly internalUrl: string;
      readonly pod: string;
      readonly namespace?: string;
    }[],
  ): void {
    const groups = targets.map(({ internalUrl, pod, namespace = "test" }) => ({
      targets: [new URL(internalUrl).host],
      labels: { namespace, pod },
    }));
    // At once: Prometheus may read at any time.
    writeFileSync(join(this.#folder, "targets.new"), JSON.stringify(groups));
    renameSync(join(this.#folder, "targets.new"), join(this.#folder, "targets.json"));
  }

  async query(expr: string): Promise<readonly Sample[]> {
    const { result } = await this.#ask<{ readonly result: readonly Sample[] }>(
      `/api/v1/query?query=${encodeURIComponent(expr)}`,
    );
    return result;
  }

  async queryRange(
    expr: string,
    range: { readonly startS: number; readonly endS: number; readonly stepS: number },
  ): Promise<readonly Series[]> {
    const { startS, endS, stepS } = range;
    const path = `/api/v1/query_range?query=${encodeURIComponent(expr)}&start=${startS}&end=${endS}&step=${stepS}`;
    return (await this.#ask<{ readonly result: readonly Series[] }>(path)).result;
  }

  async firing(): Promise<readonly Alert[]> {
    const { alerts } = await this.#ask<{ readonly alerts: readonly Alert[] }>("/api/v1/alerts");
    return alerts.filter(({ state }) => state === "firing");
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #ask<T>(path: string): Promise<T> {
    const answer = (await (await fetch(this.#url + path)).json()) as {
      readonly status: string;
      readonly error?: string;
      readonly data: T;
    };
    if (answer.status !== "success")
      throw new Error(`${answer.error}: ${decodeURIComponent(path)}`);
    return answer.data;
  }

  async #answers(): Promise<boolean> {
    return fetch(`${this.#url}/-/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  }
}
