// Owns: reading the arguments of the proofs.
import { ProveError } from "./prove-error.ts";

/** Throws `argument_invalid`. */
export function whole(
  name: string,
  text: string | undefined,
  {
    standard,
    least,
    most,
  }: { readonly standard: number; readonly least: number; readonly most: number },
): number {
  const value = text === undefined ? standard : Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new ProveError(
    "argument_invalid",
    `Cannot use --${name} ${text}: expected a whole number from ${least} to ${most}`,
  );
}

/** What `parse` gives. Throws `argument_invalid` if it throws. */
export function parsed<T>(parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new ProveError("argument_invalid", message, { cause });
  }
}
