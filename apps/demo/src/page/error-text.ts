// Owns: one line for people about an error of the client.
import { HoldfastError } from "@holdfast/client";

/** The sentence that a person gets; never a stack. */
export function errorText(error: unknown): string {
  if (!(error instanceof HoldfastError)) return "something went wrong in this page";
  return TEXTS[error.code] ?? error.message;
}

const TEXTS: Readonly<Record<string, string>> = {
  queue_full: "too many messages are waiting for a connection",
  timeout: "no answer in time",
  rate_limited: "too much at once",
  closed: "the connection was closed",
};
