// Owns: one question to DNS, with a limit of time.
import { Resolver } from "node:dns/promises";
import type { Endpoint } from "@holdfast/rehoming";

/** Asks once. Rejects if DNS gives no records, for whatever reason. */
export type DnsQuestion = () => Promise<readonly Endpoint[]>;

export interface DnsOptions {
  readonly name: string;
  readonly kind: "a" | "aaaa" | "srv";
  readonly port: number;
  /** Empty: those of the machine. */
  readonly servers: readonly string[];
  readonly timeoutMs: number;
}

/** Weights of SRV records go up to 65,535, those of endpoints to 100. */
const WEIGHT_MAX = 100;

export function dnsQuestions({ name, kind, port, servers, timeoutMs }: DnsOptions): DnsQuestion {
  const ask = async (resolver: Resolver): Promise<readonly Endpoint[]> => {
    if (kind === "srv") return ofTargets(await resolver.resolveSrv(name));
    const addresses = kind === "a" ? await resolver.resolve4(name) : await resolver.resolve6(name);
    return addresses.map((address) => ({
      address: kind === "a" ? `${address}:${port}` : `[${address}]:${port}`,
      takes: true,
    }));
  };
  return async () => {
    // A resolver of its own for each question: one that was given up says nothing later.
    const resolver = new Resolver({ timeout: timeoutMs, tries: 1 });
    if (servers.length > 0) resolver.setServers([...servers]);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new DnsTimeout(timeoutMs)), timeoutMs);
    });
    try {
      return await Promise.race([ask(resolver), late]);
    } finally {
      clearTimeout(timer);
      resolver.cancel();
    }
  };
}

class DnsTimeout extends Error {
  readonly code = "no_answer";
  constructor(timeoutMs: number) {
    super(`no answer within ${timeoutMs} ms`);
    this.name = "DnsTimeout";
  }
}

interface Target {
  readonly name: string;
  readonly port: number;
  readonly priority: number;
  readonly weight: number;
}

/** The targets of the lowest priority number; the others are for when those are all gone. */
function ofTargets(targets: readonly Target[]): readonly Endpoint[] {
  const best = Math.min(...targets.map(({ priority }) => priority));
  const used = targets.filter(({ priority }) => priority === best);
  const heaviest = Math.max(1, ...used.map(({ weight }) => weight));
  return used.map(({ name, port, weight }) => ({
    address: `${name.replace(/\.$/, "")}:${port}`,
    takes: true,
    weight: Math.max(1, Math.round((weight * WEIGHT_MAX) / heaviest)),
  }));
}
