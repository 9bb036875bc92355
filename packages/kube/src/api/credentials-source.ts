// Owns: credentials that stay fresh: files are read again, and plugins run again when the server
// no longer knows what they gave.
import { type Credentials, credentialsOf, type Surroundings } from "../cluster/credentials.ts";
import type { ClusterAccess } from "../cluster/kubeconfig.ts";
import { type KubeClock, machinePorts } from "./ports.ts";

export interface CredentialsSource {
  /** Rejects with ClusterError `credentials` if there are none yet. */
  current(): Promise<Credentials>;
  /** The server refused these: newer ones, or the same if there are none. */
  renewed(refused: Credentials): Promise<Credentials>;
}

export interface CredentialsSourceOptions {
  readonly clock?: KubeClock;
  /** How long what a file held is used. The kubelet replaces tokens long before they end. */
  readonly maxAgeMs?: number;
  /** Between two runs of a plugin, or readings, that the server's refusals ask for. */
  readonly renewalGapMs?: number;
}

/** Holds one set of credentials. Asks for the next one at a time, for all callers together. */
export function credentialsSource(
  access: ClusterAccess,
  surroundings: Surroundings,
  {
    clock = machinePorts.clock,
    maxAgeMs = 60_000,
    renewalGapMs = 5000,
  }: CredentialsSourceOptions = {},
): CredentialsSource {
  const materials = [access.ca, access.cert, access.key, access.token];
  const isFromFile = materials.some((one) => one !== undefined && "file" in one);
  // A plugin is asked again on a refusal only: it may be slow, or ask a person.
  const ages = isFromFile && (access.exec === undefined || access.token !== undefined);
  let held: Credentials | undefined;
  let readMs = Number.NEGATIVE_INFINITY;
  let reading: Promise<Credentials> | undefined;

  const read = (): Promise<Credentials> => {
    reading ??= credentialsOf(access, surroundings)
      .then((next) => {
        // The same object for the same content, so that connections are used again.
        if (held === undefined || !same(held, next)) held = next;
        return held;
      })
      .catch((error: unknown) => {
        if (held === undefined) throw error;
        return held;
      })
      .finally(() => {
        readMs = clock.nowMs();
        reading = undefined;
      });
    return reading;
  };

  return {
    current: async () =>
      held === undefined || (ages && clock.nowMs() - readMs >= maxAgeMs) ? read() : held,
    renewed: async (refused) => {
      if (held !== undefined && held !== refused) return held;
      return held !== undefined && clock.nowMs() - readMs < renewalGapMs ? held : read();
    },
  };
}

const same = (one: Credentials, other: Credentials): boolean =>
  one.ca === other.ca &&
  one.cert === other.cert &&
  one.key === other.key &&
  one.token === other.token;
