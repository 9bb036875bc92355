// Owns: why a connection to a server ended or never was, in words.
import {
  AbortError,
  ClientClosedError,
  ClientOfflineError,
  ConnectionTimeoutError,
  DisconnectsClientError,
  ErrorReply,
  SocketClosedUnexpectedlyError,
  SocketTimeoutError,
  TimeoutError,
} from "@redis/client";

/** Errors of the library without a code. Names of classes are others where code is minified. */
const WORDS: readonly (readonly [kind: abstract new (...args: never) => Error, words: string])[] = [
  [ConnectionTimeoutError, "no connection in time: its name or its address does not answer"],
  [SocketClosedUnexpectedlyError, "the socket closed"],
  [SocketTimeoutError, "no answer in time"],
  [TimeoutError, "no answer in time"],
  [DisconnectsClientError, "the connection was ended here"],
  [ClientClosedError, "the connection was ended here"],
  [ClientOfflineError, "not connected"],
  [AbortError, "the command was taken back"],
];

/**
 * The system's code, or words of ours. Of a server's answer only its first word: the rest may have
 * parts of a command.
 */
export function reasonOf(error: unknown): string {
  if (error instanceof ErrorReply) return error.message.split(" ", 1)[0] ?? "refused";
  if (error instanceof Error && "code" in error && typeof error.code === "string")
    return error.code;
  const [, words] = WORDS.find(([kind]) => error instanceof kind) ?? [];
  return words ?? "an error without a code";
}
