// Owns: the RealtimeSet of a proof as it is, once a second, also while its API server is away.
import { readFileSync } from "node:fs";
import {
  at,
  createKubeApi,
  credentialsSource,
  type Json,
  type KubeApi,
  KubeApiError,
  list,
  readKubeconfig,
  text,
} from "@holdfast/kube";
import { eventually } from "../prove-error.ts";
import type { SetSample } from "./operator-figures.ts";

const EVERY_MS = 1000;
const TIMEOUT_MS = 3000;
/** Two hours; older ones are dropped. */
const SAMPLES_MAX = 7200;

export interface WatchOptions {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly name: string;
}

export class SetWatch {
  readonly #api: KubeApi;
  readonly #path: string;
  readonly #recordsPath: string;
  readonly #samples: SetSample[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #asks = false;

  constructor({ kubeconfig, namespace, name }: WatchOptions) {
    const file = { path: kubeconfig, text: readFileSync(kubeconfig, "utf8") };
    const access = readKubeconfig([file]);
    const source = credentialsSource(access, { env: process.env });
    this.#api = createKubeApi(access, source, { fieldManager: "prove", timeoutMs: TIMEOUT_MS });
    const group = `/apis/holdfast.dev/v1alpha1/namespaces/${namespace}`;
    this.#path = `${group}/realtimesets/${name}`;
    this.#recordsPath = `${group}/realtimereleases`;
  }

  start(): void {
    this.#timer = setInterval(() => void this.#ask(), EVERY_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The newest sample; undefined if none was taken since. */
  since(fromMs: number): SetSample | undefined {
    const last = this.#samples.at(-1);
    return last !== undefined && last.atMs >= fromMs ? last : undefined;
  }

  /** Samples since this time of the clock; their times count from it. */
  samplesSince(fromMs: number): readonly SetSample[] {
    return this.#samples
      .filter(({ atMs }) => atMs >= fromMs)
      .map((sample) => ({ ...sample, atMs: sample.atMs - fromMs }));
  }

  /** Resolves when a sample that is taken from now on is so. Throws `not_in_time`. */
  async until(
    what: string,
    isIt: (sample: SetSample) => boolean,
    timeoutMs: number,
  ): Promise<SetSample> {
    const fromMs = Date.now();
    let last: SetSample | undefined;
    let found: SetSample | undefined;
    await eventually(
      what,
      () => {
        last = this.since(fromMs);
        if (last !== undefined && isIt(last)) found = last;
        return found !== undefined;
      },
      { timeoutMs, everyMs: 200 },
    ).catch((error: unknown) => {
      const { condition, message, release } = last ?? {};
      const known =
        last === undefined ? "no status" : JSON.stringify({ condition, message, release });
      throw error instanceof Error ? new Error(`${error.message}; found ${known}`) : error;
    });
    return found as SetSample;
  }

  /** Why the newest release to the revision was rolled back, as its record says. */
  async because(revision: string): Promise<string | undefined> {
    const { items } = await this.#api.list(this.#recordsPath);
    const of = items.filter((item) => text(at(item, "spec", "to")) === revision);
    return of
      .map((item) => text(at(item, "status", "because")))
      .filter(Boolean)
      .at(-1);
  }

  async #ask(): Promise<void> {
    if (this.#asks) return;
    this.#asks = true;
    try {
      const set = await this.#api.get(this.#path);
      this.#samples.push(sampleOf(set, Date.now()));
      if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    } catch (error) {
      // Nothing is known of it then: the API server is away, or the set is.
      if (!(error instanceof KubeApiError)) throw error;
    } finally {
      this.#asks = false;
    }
  }
}

const number = (json: Json | undefined, ...path: readonly string[]): number => {
  const value = json === undefined ? undefined : at(json, ...path);
  return typeof value === "number" ? value : 0;
};

/** Exported for its test. */
export function sampleOf(set: Json, atMs: number): SetSample {
  const of = (...path: readonly string[]): string => text(at(set, "status", ...path)) ?? "";
  const release = at(set, "status", "release");
  const people = number(set, "status", "connections");
  const [stable, to] = [of("stableRevision"), of("release", "to")];
  const sharePercent = number(set, "status", "release", "sharePercent");
  const moved = Math.round((people * sharePercent) / 100);
  const givers = list(at(set, "status", "decision", "rebalancing", "givers")) ?? [];
  const holding = (list(at(set, "status", "conditions")) ?? []).find(
    (one) =>
      ["Settled", "Progressing", "Waiting"].includes(text(at(one, "type")) ?? "") &&
      text(at(one, "status")) === "True",
  );
  return {
    atMs,
    connections: to === "" ? { [stable]: people } : { [stable]: people - moved, [to]: moved },
    pods: number(set, "status", "replicas"),
    ready: number(set, "status", "readyReplicas"),
    desired: number(set, "status", "desiredReplicas"),
    isSeen: number(set, "metadata", "generation") === number(set, "status", "observedGeneration"),
    stable,
    updated: of("updatedRevision"),
    condition: text(at(holding, "type")) ?? "",
    message: of("message"),
    ...(givers.length === 0 ? {} : { evens: true as const }),
    ...(release === undefined
      ? {}
      : {
          release: {
            to,
            phase: of("release", "phase"),
            step: number(set, "status", "release", "step"),
            sharePercent,
            verdict: of("release", "verdict"),
          },
        }),
  };
}
