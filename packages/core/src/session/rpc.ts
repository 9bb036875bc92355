// Owns: calls of a connection: permission, deadline, cancelling, the answer.
import type { Contract, RpcRules } from "@holdfast/contract";
import type { Contexts } from "../application/contexts.ts";
import type { Observer } from "../observer.ts";
import type { Clock } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import { CallSignal } from "./call-signal.ts";
import type { Connection } from "./connection.ts";
import type { FrameOf } from "./frames.ts";
import { asRefused, Refused } from "./refusal.ts";

/** What a call needs of the node. */
export interface CallNeeds {
  readonly clock: Clock;
  readonly contract: Pick<Contract, "rpc">;
  readonly contexts: Pick<Contexts, "ofCall">;
  readonly observer: Pick<Observer, "rpc">;
  readonly rates: { rpc(connection: Connection): number };
  readonly sessions: { checkExpiry(connection: Connection): void };
  settings(): NodeSettings;
}

/** Answers with the handler's result, or rejects with `Refused`. */
export function call(
  parts: CallNeeds,
  connection: Connection,
  frame: FrameOf<"rpc">,
): Promise<void> {
  const { limits, timeouts } = parts.settings();
  parts.sessions.checkExpiry(connection);
  const retryMs = parts.rates.rpc(connection);
  if (retryMs > 0)
    throw new Refused("rate_limited", "Cannot call: over the rate of calls for a connection", {
      retryMs,
    });
  const rules = parts.contract.rpc(frame.m);
  if (rules === undefined)
    throw new Refused("rpc_unknown", `Cannot call "${frame.m}": the contract has no such RPC`);
  connection.calls ??= new Map();
  const { calls } = connection;
  if (calls.size >= limits.rpcsInFlightMax) {
    throw new Refused(
      "rpc_limit",
      `Cannot call: ${calls.size} calls are in flight, expected fewer than ${limits.rpcsInFlightMax}`,
    );
  }
  if (calls.has(frame.id))
    throw new Refused(
      "request_invalid",
      `Cannot call: id ${frame.id} is in flight, expected a new one`,
      { path: "id" },
    );
  const signal = new CallSignal();
  calls.set(frame.id, signal);
  const cancelTimer = parts.clock.after(
    Math.min(frame.timeoutMs ?? timeouts.rpcMs, timeouts.rpcMs),
    () => signal.end("rpc_timeout"),
  );
  const startedMs = parts.clock.nowMs();
  const tookMs = (): number => parts.clock.nowMs() - startedMs;
  return answer(parts, { connection, frame, rules, signal })
    .then(
      () => parts.observer.rpc(frame.m, "ok", tookMs()),
      (error: unknown) => {
        parts.observer.rpc(frame.m, asRefused(error).code, tookMs());
        throw error;
      },
    )
    .finally(() => {
      cancelTimer();
      calls.delete(frame.id);
    });
}

interface Call {
  readonly connection: Connection;
  readonly frame: FrameOf<"rpc">;
  readonly rules: RpcRules;
  readonly signal: CallSignal;
}

async function answer(
  { contexts }: Pick<CallNeeds, "contexts">,
  { connection, frame, rules, signal }: Call,
): Promise<void> {
  const allowed = await rules.allows(connection.view, connection.identity);
  if (!allowed)
    throw new Refused(
      "permission_denied",
      `Cannot call "${frame.m}": the session has no permission for it`,
    );
  const outcome = await Promise.race([
    rules.call(frame.data, contexts.ofCall(connection, { session: connection.view, signal })),
    signal.ended,
  ]);
  if (outcome === "rpc_timeout")
    throw new Refused(outcome, `Call of "${frame.m}" ended: the handler did not answer in time`);
  if (outcome === "rpc_cancelled")
    throw new Refused(outcome, `Call of "${frame.m}" ended: the caller cancelled it`);
  if (!outcome.ok) throw new Refused(outcome.code, outcome.message, outcome);
  connection.send({
    t: "ok",
    id: frame.id,
    ...(outcome.value === undefined ? {} : { data: outcome.value }),
  });
}
