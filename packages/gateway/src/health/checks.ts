// Owns: when a route's endpoints are looked at.
import type { EndpointTable } from "@holdfast/rehoming";
import type { UpstreamTls } from "@holdfast/relay/gateway";
import type { CheckOptions } from "../options/route-fields.ts";
import { probe } from "./probes.ts";

export interface ChecksNeeds {
  readonly endpoints: EndpointTable;
  /** Undefined: no TLS. */
  readonly tls: () => UpstreamTls | undefined;
  readonly checked: (outcome: "well" | "ill") => void;
}

/** Looks that are under way at once. */
const AT_ONCE_MAX = 32;

/** Rounds follow each other: one begins when the interval is over and the one before has ended. */
export class Checks {
  readonly #needs: ChecksNeeds;
  readonly #options: CheckOptions;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  constructor(options: CheckOptions, needs: ChecksNeeds) {
    this.#options = options;
    this.#needs = needs;
    this.#later(options.intervalMs * Math.random());
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  #later(delayMs: number): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#round(), delayMs);
  }

  async #round(): Promise<void> {
    const beganMs = performance.now();
    const left = [...this.#needs.endpoints.taking()];
    const worker = async (): Promise<void> => {
      for (let address = left.pop(); address !== undefined; address = left.pop())
        await this.#look(address);
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE_MAX, left.length) }, worker));
    this.#later(Math.max(0, beganMs + this.#options.intervalMs - performance.now()));
  }

  async #look(address: string): Promise<void> {
    const { endpoints, tls, checked } = this.#needs;
    const isWell = await probe({ address, tls: tls() }, this.#options);
    if (this.#isStopped) return;
    const { failuresMax } = this.#options;
    endpoints.checked(address, isWell, { failuresMax, nowMs: performance.now() });
    checked(isWell ? "well" : "ill");
  }
}
