// Owns: a service that is asked for again and again: what is known, and why it is no newer.
import type { Endpoint } from "@holdfast/rehoming";
import { type Discovery, ENDPOINTS_MAX } from "./discovery.ts";
import type { DnsQuestion } from "./dns-questions.ts";

/** Part of the interval by which questions differ, so that gateways do not ask together. */
const SPREAD = 0.2;

/**
 * One question at a time. An answer without records is trouble like no answer: a name server that
 * lost its zone must not send away the clients of every endpoint.
 */
export class DnsDiscovery implements Discovery {
  readonly #refreshMs: number;
  readonly #ask: DnsQuestion;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;
  #known: string | undefined;
  #trouble: string | undefined = "it was not asked yet";

  constructor({ refreshMs }: { readonly refreshMs: number }, ask: DnsQuestion) {
    this.#refreshMs = refreshMs;
    this.#ask = ask;
  }

  get trouble(): string | undefined {
    return this.#trouble;
  }

  start(found: (endpoints: readonly Endpoint[]) => void): void {
    void this.#round(found);
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
  }

  async #round(found: (endpoints: readonly Endpoint[]) => void): Promise<void> {
    try {
      const endpoints = unique(await this.#ask());
      if (this.#isStopped) return;
      if (endpoints.length === 0) this.#trouble = "the name has no records";
      else this.#heard(endpoints, found);
    } catch (error) {
      this.#trouble = troubleOf(error);
    }
    if (this.#isStopped) return;
    const waitMs = this.#refreshMs * (1 - SPREAD * Math.random());
    this.#timer = setTimeout(() => void this.#round(found), waitMs);
  }

  #heard(endpoints: readonly Endpoint[], found: (endpoints: readonly Endpoint[]) => void): void {
    this.#trouble =
      endpoints.length > ENDPOINTS_MAX
        ? `${endpoints.length} endpoints, of which ${ENDPOINTS_MAX} are used`
        : undefined;
    const used = endpoints.slice(0, ENDPOINTS_MAX);
    const known = JSON.stringify(used);
    if (known === this.#known) return;
    this.#known = known;
    found(used);
  }
}

/** In one order, whatever the server's was, and each address once. */
const unique = (endpoints: readonly Endpoint[]): readonly Endpoint[] =>
  [...new Map(endpoints.map((endpoint) => [endpoint.address, endpoint])).values()].sort((a, b) =>
    a.address < b.address ? -1 : 1,
  );

function troubleOf(error: unknown): string {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return `DNS: ${typeof code === "string" ? code : String(message ?? error)}`;
}
