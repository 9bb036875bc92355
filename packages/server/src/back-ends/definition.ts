// Owns: hooks and RPCs that back ends answer, as a part of the contract.
import {
  backEndOf,
  type ContractDefinition,
  type Hooks,
  RejectedError,
  type RpcContext,
  type RpcDefinition,
  type RpcSignal,
  UnavailableError,
} from "@holdfast/contract";
import type { BackEndMap, BackEndSettings } from "../options/back-ends.ts";
import type { BackEnd } from "./back-end.ts";
import type { BackEndAnswer, Question } from "./message.ts";

export type Wired =
  | { readonly ok: true; readonly definition: ContractDefinition }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The contract with what the back ends answer. Each hook and each RPC has one who answers. */
export function withBackEnds(
  definition: ContractDefinition,
  settings: BackEndMap,
  backEnds: ReadonlyMap<string, BackEnd>,
): Wired {
  const problems: string[] = [];
  const hooks: Record<string, unknown> = { ...definition.hooks };
  const rpc: Record<string, RpcDefinition> = {};
  for (const [name, one] of Object.entries(definition.rpc ?? {})) {
    const answers = backEndOf(one.handler);
    const known = answers === undefined ? undefined : backEnds.get(answers);
    if (answers !== undefined && known === undefined)
      problems.push(
        `Cannot use rpc "${name}": found back end "${answers}", expected ${namesOf(settings)}`,
      );
    rpc[name] = known === undefined ? one : { ...one, handler: handlerOf(name, known) };
  }
  for (const [name, backEnd] of backEnds) {
    const row = settings[name];
    if (row === undefined) continue;
    for (const hook of row.hooks) {
      if (hooks[hook] !== undefined)
        problems.push(`Cannot use back end "${name}" for ${hook}: found another one, expected one`);
      hooks[hook] = hooksOf(backEnd, row)[hook];
    }
    for (const [method, allow] of Object.entries(row.rpcs)) {
      if (Object.hasOwn(rpc, method))
        problems.push(`Cannot use back end "${name}" for rpc "${method}": found another handler`);
      rpc[method] = { allow, handler: handlerOf(method, backEnd) };
    }
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, definition: { ...definition, rpc, hooks } };
}

function namesOf(settings: BackEndMap): string {
  const names = Object.keys(settings);
  return names.length === 0 ? "one in option backEnds, which has none" : names.join(", ");
}

function handlerOf(method: string, backEnd: BackEnd) {
  return async (data: unknown, { session, signal }: RpcContext): Promise<unknown> => {
    const answer = await backEnd.ask({ type: "rpc", session, method, data }, abortedBy(signal));
    if (answer.reject !== undefined) throw new RejectedError(answer.reject);
    return answer.data;
  };
}

function hooksOf(backEnd: BackEnd, { whenAway }: BackEndSettings): Required<Hooks> {
  const ask = async (question: Question): Promise<BackEndAnswer> => {
    try {
      return await backEnd.ask(question);
    } catch (error) {
      if (whenAway === "allow" && error instanceof UnavailableError) return { hasData: false };
      throw error;
    }
  };
  const refusal = ({ reject }: BackEndAnswer) => (reject === undefined ? undefined : { reject });
  return {
    onConnect: async (session) => refusal(await ask({ type: "connect", session })),
    onSubscribe: async (session, channel, params) =>
      refusal(await ask({ type: "subscribe", session, channel, params })),
    onPublish: async (session, publication) => {
      const answer = await ask({ type: "publish", session, ...publication });
      return answer.hasData ? { data: answer.data } : refusal(answer);
    },
    // Nobody waits for it: what the back end answers means nothing.
    onDisconnect: async (session, reason) => {
      await ask({ type: "disconnect", session, reason }).catch((error: unknown) => {
        if (!(error instanceof UnavailableError)) throw error;
      });
    },
  };
}

function abortedBy(signal: RpcSignal): AbortSignal {
  const controller = new AbortController();
  signal.addEventListener("abort", () => controller.abort());
  return controller.signal;
}
