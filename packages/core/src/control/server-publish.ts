// Owns: a publish of the back end or of the application's code, from the contract to the broker.
import type { ChannelRules } from "@holdfast/contract";
import type { Cause, ServerPublish } from "../application/actions.ts";
import { type CheckNeeds, preparePublish } from "../channel/publish-request.ts";
import type { Observer } from "../observer.ts";
import { type Broker, BrokerError, type Clock, type PublishResult } from "../ports.ts";
import type { KeptBytes } from "../session/kept-bytes.ts";
import { Refused } from "../session/refusal.ts";

/** What such a publish needs of the node. */
export interface ServerPublishNeeds extends CheckNeeds {
  readonly clock: Pick<Clock, "nowMs">;
  readonly broker: Pick<Broker, "publish">;
  readonly observer: Pick<Observer, "published" | "bug">;
  readonly keptBytes: Pick<KeptBytes, "mayPublish" | "isMeasured" | "published">;
}

/**
 * What a client caused is kept on the account of its party. Commands of the back end have none.
 * Rejects with `Refused` or BrokerError.
 */
export async function publishForServer(
  parts: ServerPublishNeeds,
  rules: ChannelRules,
  { request, cause }: { readonly request: ServerPublish; readonly cause: Cause },
): Promise<PublishResult> {
  const { broker, observer, clock, keptBytes } = parts;
  const startedMs = clock.nowMs();
  const prepared = await preparePublish(parts, rules, {
    payload: request.payload,
    key: request.key,
    view: undefined,
    cause,
  });
  if (!prepared.ok) throw new Refused(prepared.code, prepared.message, prepared);
  const { party } = cause;
  const { channel, stream } = rules;
  const payload = prepared.value;
  if (party !== undefined && !keptBytes.mayPublish(party, stream, payload))
    throw new BrokerError("share", "a share of the node");
  const result = await broker.publish(channel, stream, {
    payload,
    ...(party === undefined ? undefined : { party }),
    ...(party !== undefined && keptBytes.isMeasured(party) ? { measured: true } : undefined),
    ...(request.key === undefined ? undefined : { key: request.key }),
    ...(request.user === undefined ? undefined : { user: request.user }),
    ...(request.idempotencyKey === undefined
      ? undefined
      : { idempotencyKey: `api:${request.idempotencyKey}` }),
  });
  if (party !== undefined) keptBytes.published(party, stream, { payload, result });
  const outcome = result.duplicate ? "duplicate" : "ok";
  observer.published(stream.cls, outcome, clock.nowMs() - startedMs);
  return result;
}
