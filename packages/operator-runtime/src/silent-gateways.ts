// Owns: gateways that do not answer: whether the others are enough, and what people are told.

export interface SilenceNeeds {
  readonly nowMs: () => number;
  /** Why the gateway holds nobody; undefined: it may hold clients. */
  readonly whyGone: (gateway: string) => Promise<string | undefined>;
}

interface Silence {
  readonly sinceMs: number;
  askedMs: number;
  /** When Kubernetes was asked last. */
  lookedMs: number;
  /** Why it holds nobody. */
  gone: string | undefined;
}

/** For people, empty if there is nothing to tell. The same text as long as nothing changes. */
export interface GatewayTrouble {
  /** Gateways for which the set waits. */
  readonly silent: string;
  /** Gateways that are not counted any more. */
  readonly gone: string;
}

/** Longer than a gateway that starts anew, or a machine that pauses, says nothing. */
const SILENT_MS = 30_000;
/** How often one that is gone is asked whether it is back, and Kubernetes about one that is not. */
const AGAIN_MS = 5000;

/**
 * One that may hold clients is waited for, however long: pods are not removed under people of whom
 * nobody knows. One counts as gone if it does not answer and Kubernetes says that nothing of it
 * runs. If it answers again, it counts at once.
 */
export class SilentGateways {
  readonly #needs: SilenceNeeds;
  readonly #silent = new Map<string, Silence>();

  constructor(needs: SilenceNeeds) {
    this.#needs = needs;
  }

  answered(gateway: string): void {
    this.#silent.delete(gateway);
  }

  /** It did not answer. Whether it counts as gone, by what Kubernetes said last. */
  missed(gateway: string): boolean {
    const nowMs = this.#needs.nowMs();
    const fresh: Silence = {
      ...{ sinceMs: nowMs, askedMs: nowMs, gone: undefined },
      lookedMs: Number.NEGATIVE_INFINITY,
    };
    const silence = this.#silent.get(gateway) ?? fresh;
    this.#silent.set(gateway, silence);
    silence.askedMs = nowMs;
    if (nowMs - silence.sinceMs < SILENT_MS) return false;
    if (nowMs - silence.lookedMs >= AGAIN_MS) {
      silence.lookedMs = nowMs;
      void this.#look(gateway, silence);
    }
    return silence.gone !== undefined;
  }

  /** Nobody waits for it: a question to Kubernetes may take long. */
  async #look(gateway: string, silence: Silence): Promise<void> {
    // Whoever cannot look knows nothing: it may hold clients.
    silence.gone = await this.#needs.whyGone(gateway).catch(() => undefined);
  }

  isGone(gateway: string): boolean {
    return this.#silent.get(gateway)?.gone !== undefined;
  }

  /** Whether one that is gone is to be asked again, which is noted. */
  isDue(gateway: string): boolean {
    const silence = this.#silent.get(gateway);
    const nowMs = this.#needs.nowMs();
    if (silence === undefined || nowMs - silence.askedMs < AGAIN_MS) return false;
    silence.askedMs = nowMs;
    return true;
  }

  /** Forgets those that are not there any more. */
  keep(gateways: readonly string[]): void {
    for (const gateway of this.#silent.keys())
      if (!gateways.includes(gateway)) this.#silent.delete(gateway);
  }

  trouble(): GatewayTrouble {
    const nowMs = this.#needs.nowMs();
    const all = [...this.#silent].sort(([a], [b]) => (a < b ? -1 : 1));
    const waited = all.flatMap(([gateway, { sinceMs, gone }]) =>
      gone === undefined && nowMs - sinceMs >= SILENT_MS ? [gateway] : [],
    );
    const gone = all.flatMap(([gateway, { gone: why }]) =>
      why === undefined ? [] : [`${gateway} (${why})`],
    );
    return {
      silent:
        waited.length === 0
          ? ""
          : `No answer for ${SILENT_MS / 1000} s of gateways that may hold clients: ${waited.join(", ")}. Drains and releases wait for them.`,
      gone:
        gone.length === 0 ? "" : `Gateways that are gone, and are not counted: ${gone.join(", ")}.`,
    };
  }
}
