// Owns: why a server to measure could not be started or used.

export type PeerErrorCode = "bundle_failed" | "server_ended" | "server_silent" | "url_unusable";

/** Nothing was measured. */
export class PeerError extends Error {
  readonly code: PeerErrorCode;
  constructor(code: PeerErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "PeerError";
    this.code = code;
  }
}
