// Owns: asking Sentinels for the primary's address, and noticing that it changed.
import { BrokerError, type Clock } from "@holdfast/core";
import { signedIn } from "./handshake.ts";
import type { RedisLimits } from "./limits.ts";
import type { RedisAccount, RedisPlace } from "./redis-url.ts";
import { type Argument, numberOf, type Reply, textOf } from "./reply.ts";
import { type RedisAddress, RedisSocket, type RedisTls } from "./socket.ts";

interface Tools {
  readonly clock: Clock;
  readonly limits: RedisLimits;
}

type SentinelPlace = Extract<RedisPlace, { kind: "sentinel" }>;

/** Sends one question to a server, on a new connection. Rejects with BrokerError. */
export async function askOnce(
  target: {
    readonly address: RedisAddress;
    readonly tls: RedisTls | undefined;
    readonly account: RedisAccount;
  },
  command: readonly Argument[],
  { clock, limits }: Tools,
): Promise<Reply> {
  const socket = new RedisSocket({ ...target, database: 0, clock, limits, onEnd: () => {} });
  const cancel = clock.after(limits.connectMs, () => socket.cut("no answer in time"));
  try {
    await signedIn(socket);
    return await socket.call(command);
  } finally {
    cancel();
    socket.cut("done");
  }
}

/**
 * Asks all Sentinels at once and takes the first answer that names a primary. If they do not agree,
 * there is a failover, and the handshake decides. Rejects with BrokerError.
 */
export async function locatePrimary(place: SentinelPlace, tools: Tools): Promise<RedisAddress> {
  const asked = place.addresses.map(async (address) => {
    const target = { address, tls: place.tls, account: place.sentinelAccount };
    const reply = await askOnce(
      target,
      ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.primary],
      tools,
    );
    if (!Array.isArray(reply))
      throw new BrokerError("unavailable", "a Sentinel does not know the primary");
    return { host: textOf(reply[0]), port: numberOf(reply[1]) };
  });
  try {
    return await Promise.any(asked);
  } catch (error) {
    throw new BrokerError("unavailable", "no Sentinel names a primary", { cause: error });
  }
}

/** Asks repeatedly, one question at a time, and passes on every answer. The result stops it. */
export function watchPrimary(
  place: SentinelPlace,
  tools: Tools,
  onAnswer: (address: RedisAddress) => void,
): () => void {
  let stopped = false;
  let cancel = (): void => {};
  const ask = async (): Promise<void> => {
    const address = await locatePrimary(place, tools).catch(() => undefined);
    if (stopped) return;
    if (address !== undefined) onAnswer(address);
    cancel = tools.clock.after(tools.limits.heartbeatMs, () => void ask());
  };
  cancel = tools.clock.after(tools.limits.heartbeatMs, () => void ask());
  return () => {
    stopped = true;
    cancel();
  };
}
