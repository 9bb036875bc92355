// Owns: where the gateways of a set are: the addresses behind a headless Service, by DNS.
import { lookup } from "node:dns/promises";
import { PlaneError } from "./plane.ts";

/** The operator goes on by what it knows; the next look asks again. */
const TIMEOUT_MS = 3000;

/** Namespace of a Service that is named as `name` or `name.namespace`. */
export const gatewayNamespace = (service: string, namespace: string): string =>
  service.split(".")[1] ?? namespace;

/**
 * Addresses of a headless Service, `name` or `name.namespace`. Rejects with PlaneError if the name
 * is not known, or nobody answers in time.
 */
export async function gatewayAddresses(
  service: string,
  namespace: string,
): Promise<readonly string[]> {
  const name = service.includes(".") ? `${service}.svc` : `${service}.${namespace}.svc`;
  const found = lookup(name, { all: true }).catch((cause: unknown) => cause);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), TIMEOUT_MS);
  });
  const answer = await Promise.race([found, late]);
  clearTimeout(timer);
  if (Array.isArray(answer)) return [...new Set(answer.map(({ address }) => address))].sort();
  const why = answer instanceof Error ? answer.message : "no answer";
  throw new PlaneError("unreachable", `Cannot find the gateways of ${name}: ${why}`);
}
