// Owns: the errors of the package.

/**
 * `state_too_large`: a state has more bytes than the gateway takes. `uncommitted_full`: more was
 * sent without a commit than the gateway holds. `moved`: this pod has the client no more.
 */
export type HandoffErrorCode = "state_too_large" | "uncommitted_full" | "moved";

/** What `HandoffSession` throws. Compare `code`; the message is for people. */
export class HandoffError extends Error {
  readonly code: HandoffErrorCode;

  constructor(code: HandoffErrorCode, message: string) {
    super(message);
    this.name = "HandoffError";
    this.code = code;
  }
}
