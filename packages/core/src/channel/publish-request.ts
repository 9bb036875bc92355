// Owns: a client's publish, from permission to the broker's answer, and the checks that every
// publish passes.

import {
  type ChannelRules,
  type Contract,
  type Outcome,
  type PayloadValues,
  type Refusal,
  type SessionView,
  unsendable,
} from "@holdfast/contract";
import { fitsUtf8, lengthOf, type Payload, PayloadError, payloadBytes } from "@holdfast/protocol";
import type { Cause } from "../application/actions.ts";
import type { Contexts } from "../application/contexts.ts";
import type { DoorPublish } from "../door.ts";
import type { Observer } from "../observer.ts";
import { type Broker, BrokerError, type Clock, type PublishRequest } from "../ports.ts";
import type { Answer } from "../session/channel-order.ts";
import type { Connection } from "../session/connection.ts";
import type { Felt } from "../session/felt.ts";
import { inTime } from "../session/in-time.ts";
import type { KeptBytes } from "../session/kept-bytes.ts";
import { type PermitNeeds, permit } from "../session/permission.ts";
import { asRefused, Refused } from "../session/refusal.ts";
import type { NodeSettings } from "../settings.ts";

/** What checking a publication needs of the node. */
export interface CheckNeeds {
  readonly contract: Pick<Contract, "hooks">;
  readonly values: PayloadValues;
  readonly observer: Pick<Observer, "bug">;
  readonly contexts: Pick<Contexts, "of">;
  settings(): NodeSettings;
}

/** What a client's publish needs of the node. */
export interface PublishNeeds extends PermitNeeds, CheckNeeds {
  readonly clock: Clock;
  readonly broker: Pick<Broker, "publish">;
  readonly observer: Pick<Observer, "published" | "bug">;
  readonly felt: Pick<Felt, "slow">;
  readonly rates: { publish(connection: Connection, length: number): number };
  readonly keptBytes: Pick<KeptBytes, "mayPublish" | "isMeasured" | "published">;
}

interface PublishCall {
  readonly connection: Connection;
  readonly frame: DoorPublish;
  readonly rules: ChannelRules;
}

/** Takes the answer to a publish, in its turn. */
interface PublishAnswer {
  readonly send: Answer;
  readonly refuse: (error: unknown) => void;
}

/**
 * Resolves when the broker was asked (it keeps the order from there on), not when it has answered.
 */
export function publish(
  parts: PublishNeeds,
  call: PublishCall,
  answer: PublishAnswer,
): Promise<void> | void {
  const { connection, frame, rules } = call;
  const retryMs = parts.rates.publish(connection, lengthOf(frame.data) + (frame.meta?.length ?? 0));
  if (retryMs > 0)
    throw new Refused(
      "rate_limited",
      "Cannot publish: over the rate of publishes for a connection",
      { retryMs },
    );
  return permit(parts, { connection, action: "publish", rules }, () => {
    const startedMs = parts.clock.nowMs();
    const prepared = preparePublish(parts, rules, {
      payload: frame.data,
      key: frame.k,
      view: connection.view,
      cause: connection,
    });
    if (prepared instanceof Promise)
      return inTime(parts, "onPublish", prepared).then((outcome) =>
        send(parts, call, { outcome, startedMs, ...answer }),
      );
    send(parts, call, { outcome: prepared, startedMs, ...answer });
  });
}

interface Prepared extends PublishAnswer {
  readonly outcome: Outcome<Payload>;
  readonly startedMs: number;
}

function send(
  parts: PublishNeeds,
  { connection, frame, rules }: PublishCall,
  { outcome, startedMs, send: answer, refuse }: Prepared,
): void {
  const { observer, broker, clock, keptBytes } = parts;
  const { cls } = rules.stream;
  const fail = (error: unknown): void => {
    const tookMs = clock.nowMs() - startedMs;
    if (tookMs > parts.settings().flow.slowMs) parts.felt.slow(connection);
    observer.published(cls, asRefused(error).code, tookMs);
    refuse(error);
  };
  if (!outcome.ok) return fail(new Refused(outcome.code, outcome.message, outcome));
  const { party } = connection;
  const { user } = connection.identity;
  const payload = outcome.value;
  const isOver = !keptBytes.mayPublish(party, rules.stream, payload);
  if (isOver) return fail(new BrokerError("share", "a share of the node"));
  const { meta } = frame;
  const request: { -readonly [Name in keyof PublishRequest]: PublishRequest[Name] } = {
    payload,
    session: connection.session,
    party,
  };
  if (keptBytes.isMeasured(party)) request.measured = true;
  if (frame.k !== undefined) request.key = frame.k;
  if (meta !== undefined) request.meta = meta;
  if (user !== undefined) request.user = user;
  if (frame.idem !== undefined)
    request.idempotencyKey = idempotencyScope(connection, frame) + frame.idem;
  const publishing = broker.publish(rules.channel, rules.stream, request);
  publishing.then((result) => {
    const { position, duplicate } = result;
    keptBytes.published(party, rules.stream, { payload, result });
    const tookMs = clock.nowMs() - startedMs;
    if (tookMs > parts.settings().flow.slowMs) parts.felt.slow(connection);
    observer.published(cls, duplicate ? "duplicate" : "ok", tookMs);
    answer({
      t: "published",
      id: frame.id,
      e: position.epoch,
      o: position.offset,
      ...(duplicate ? { dup: true } : undefined),
    });
  }, fail);
}

/**
 * Keys of one user can never equal another user's, whatever the users' names are. A user's keys
 * hold for all sessions of the user: a client that lost its session repeats with the same key.
 * Nobody can prove to be the same anonymous client, so its keys hold for its session.
 */
function idempotencyScope(
  { identity: { user }, session }: Connection,
  { idemScope }: DoorPublish,
): string {
  if (idemScope !== undefined) return `d:${idemScope.length}:${idemScope}:`;
  return user === undefined ? `s:${session}:` : `u:${user.length}:${user}:`;
}

/**
 * Checks key and size, and applies schema and hook. The result goes to the broker. Synchronous
 * unless the schema or the hook is asynchronous.
 */
export function preparePublish(
  parts: CheckNeeds,
  rules: ChannelRules,
  request: {
    readonly payload: Payload;
    readonly key: string | undefined;
    readonly view: SessionView | undefined;
    readonly cause: Cause;
  },
): Outcome<Payload> | Promise<Outcome<Payload>> {
  const max = parts.settings().limits.dataBytesMax;
  const tooLarge = sizeRefusal(request.payload, max);
  if (tooLarge !== undefined) return tooLarge;
  if (rules.stream.cls === "latest" && request.key === undefined) {
    return {
      ok: false,
      code: "key_required",
      message: `Cannot publish to "${rules.channel}": found no key, expected one in a latest channel`,
      path: "k",
    };
  }
  const { onPublish } = parts.contract.hooks;
  const checked = rules.checkPayload?.(request.payload) ?? {
    ok: true as const,
    value: request.payload,
  };
  if (onPublish === undefined) return checked;
  const ask = async (): Promise<Outcome<Payload>> => {
    const outcome = await checked;
    if (!outcome.ok) return outcome;
    const publication = {
      channel: rules.channel,
      params: rules.params,
      data: parts.values.toValue(outcome.value),
      ...(request.key === undefined ? {} : { key: request.key }),
    };
    const answer = await onPublish(request.view, publication, parts.contexts.of(request.cause));
    return applyAnswer(parts, outcome.value, answer);
  };
  return ask();
}

/** Counted as for clients: text as UTF-8. */
function sizeRefusal(payload: Payload, bytesMax: number): Outcome<Payload> | undefined {
  const fits =
    payload.kind === "json" ? fitsUtf8(payload.text, bytesMax) : payloadBytes(payload) <= bytesMax;
  if (fits) return undefined;
  const found = `${payloadBytes(payload)} bytes of data or more`;
  return {
    ok: false,
    code: "payload_too_large",
    message: `Cannot publish: found ${found}, expected at most ${bytesMax}`,
  };
}

function applyAnswer(
  parts: CheckNeeds,
  payload: Payload,
  answer: Refusal | { readonly data: unknown } | undefined | void,
): Outcome<Payload> {
  if (!answer) return { ok: true, value: payload };
  if ("reject" in answer) return { ok: false, code: "rejected", message: answer.reject };
  const form = payload.kind === "msgpack" ? "msgpack" : "json";
  try {
    return { ok: true, value: parts.values.fromValue(answer.data, form) };
  } catch (error) {
    if (!(error instanceof PayloadError)) throw error;
    parts.observer.bug("onPublish", error);
    return unsendable(error);
  }
}
