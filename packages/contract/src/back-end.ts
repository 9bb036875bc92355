// Owns: the mark of an RPC that a back end in another process answers.
import { UnavailableError } from "./server-context.ts";

const NAME = "backEnd";

/**
 * The handler of an RPC that a back end answers over HTTP (spec/back-end.md). `name` is one of
 * option `backEnds`. The node refuses to start if there is no such back end. Schemas, permission
 * and middleware of the RPC apply as to any other.
 */
export function backEnd(name: string): () => never {
  const handler = (): never => {
    throw new UnavailableError(`Cannot call back end "${name}": this program has none`);
  };
  return Object.assign(handler, { [NAME]: name });
}

/** The back end that answers for the handler; undefined: it answers by itself. */
export function backEndOf(handler: unknown): string | undefined {
  if (typeof handler !== "function" || !Object.hasOwn(handler, NAME)) return undefined;
  const name: unknown = Reflect.get(handler, NAME);
  return typeof name === "string" ? name : undefined;
}
