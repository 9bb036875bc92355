// Owns: why a broker did not do something.

/**
 * Why a broker did not do something:
 * - `unavailable`: it is out of reach, or accepts no writes now. It may have been done.
 * - `timeout`: it did not answer in time. It may have been done.
 * - `full`: it has no room left. Nothing was done.
 * - `share`: it has room left, but the party has as much as it may. Nothing was done.
 * - `busy`: too many calls wait for it. Nothing was done.
 * - `refused`: the node's account lacks a right, or its password is wrong. Nothing was done.
 * - `limit`: the channel has as many members as it may have, or a state, its key or its owner is
 *   longer than it may be. Nothing was done.
 * - `fenced`: another took the state, or it was released, has expired or was lost. Nothing was
 *   done.
 * - `closed`: the node closed it.
 * - `internal`: its answer was not a legal one.
 */
export type BrokerErrorCode =
  | "unavailable"
  | "timeout"
  | "full"
  | "share"
  | "busy"
  | "refused"
  | "limit"
  | "fenced"
  | "closed"
  | "internal";

/** The broker could not do it. `code` is stable; text is for people. */
export class BrokerError extends Error {
  readonly code: BrokerErrorCode;
  /**
   * With `refused`: the rights that the node's account lacks, if the adapter knows. Names out of
   * the adapter's own table, so everybody may read them.
   */
  readonly lacks: readonly string[];
  constructor(
    code: BrokerErrorCode,
    message: string,
    options?: { readonly cause?: unknown; readonly lacks?: readonly string[] },
  ) {
    super(message, options);
    this.name = "BrokerError";
    this.code = code;
    this.lacks = options?.lacks ?? [];
  }
}
