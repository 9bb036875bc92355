// Owns: what an operation of the HTTP API is. Routing, checks, OpenAPI and the reference are made
// from these.

import type { Outcome } from "@holdfast/contract";
import type { NodeControl } from "@holdfast/core";
import type { z } from "zod";
import type { ApiScope } from "../options/index.ts";
import type { StreamSource } from "./stream/body.ts";

export interface RouteContext {
  /** For problems that are told inside of an answer. */
  readonly requestId: string;
  readonly control: NodeControl;
  /** Of the header; a body's member wins only if it is the same. */
  readonly idempotencyKey: string | undefined;
}

/**
 * One operation. GET takes its input from the query, POST from the body; both by the same schema.
 */
export interface Route<I = unknown, O = unknown> {
  /** Also the operation's id in OpenAPI, its label in metrics and its `op` in a batch. */
  readonly name: string;
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly scope: ApiScope;
  readonly summary: string;
  readonly description?: string;
  readonly input: z.ZodType<I>;
  readonly output: z.ZodType<O>;
  readonly status: 200 | 202;
  /** May be a command of a batch. */
  readonly batchable: boolean;
  /** Is told to the log with the key's name: it changes more than a channel's stream. */
  readonly audited: boolean;
  handle(input: I, context: RouteContext): Promise<Outcome<O>>;
}

export interface StreamContext extends RouteContext {
  /** Aborted once nobody reads the stream any more. */
  readonly signal: AbortSignal;
}

/** An operation that answers a stream of events. It takes its input from the query. */
export interface StreamRoute<I = unknown> {
  /** Also the operation's id in OpenAPI and its label in metrics. */
  readonly name: string;
  readonly method: "GET";
  readonly path: string;
  readonly scope: ApiScope;
  readonly summary: string;
  readonly description?: string;
  readonly input: z.ZodType<I>;
  /** The data of each event, by the event's name. Every stream may end with `error`. */
  readonly events: Readonly<Record<string, z.ZodType>>;
  /**
   * Resolves once the first batch can be made, or is known to be refused. Each batch is bounded in
   * bytes by the route; the next one is asked for when the reader has taken it.
   */
  open(input: I, context: StreamContext): Promise<Outcome<StreamSource>>;
}

export const streamRoute = <I>(given: StreamRoute<I>): StreamRoute<I> => given;

type Given<I, O> = Omit<Route<I, O>, "status" | "batchable" | "audited"> &
  Partial<Pick<Route<I, O>, "status" | "batchable" | "audited">>;

/** Fills in what most routes have: status 200, allowed in a batch, not audited. */
export function route<I, O>(given: Given<I, O>): Route<I, O> {
  return { status: 200, batchable: true, audited: false, ...given };
}

/** A checked input, or what is wrong with it and where (`commands[2].channel`). */
export function checkInput<I>(schema: z.ZodType<I>, value: unknown, prefix = ""): Outcome<I> {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const issue = result.error.issues[0];
  const path = (issue?.path ?? []).reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    return text === "" ? String(part) : `${text}.${String(part)}`;
  }, prefix);
  const message = issue?.message ?? "not what the operation takes";
  return { ok: false, code: "request_invalid", message, ...(path === "" ? {} : { path }) };
}

export const fail = (
  code: Extract<Outcome<never>, { ok: false }>["code"],
  message: string,
  path?: string,
): Outcome<never> => ({
  ok: false,
  code,
  message,
  ...(path === undefined ? {} : { path }),
});
export const done = <T>(value: T): Outcome<T> => ({ ok: true, value });
