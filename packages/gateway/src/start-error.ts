// Owns: why a gateway cannot start.

/** A port or a certificate that cannot be had. */
export class GatewayStartError extends Error {
  readonly code = "gateway_start";
  /** It may work later. */
  readonly isTemporary: boolean;

  constructor(what: string, cause: unknown) {
    const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
    const isTemporary = code === "EADDRINUSE";
    super(`${what}: ${isTemporary ? "another program has the port" : String(message ?? cause)}`, {
      cause,
    });
    this.name = "GatewayStartError";
    this.isTemporary = isTemporary;
  }
}
