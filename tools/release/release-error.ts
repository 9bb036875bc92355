// Owns: the error of the programs that release.

/** The reason that prevents a release; the message is for people. */
export class ReleaseError extends Error {
  readonly code = "release_failed";
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "ReleaseError";
  }
}
