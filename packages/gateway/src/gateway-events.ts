// Owns: what a gateway tells its log: one member for each event.

/** Implemented by the program. None may throw. */
export interface GatewayEvents {
  listening(fields: { readonly port: number; readonly adminPort: number }): void;
  /** At first, and when another number takes clients. */
  endpointsChanged(fields: {
    readonly route: string;
    readonly taking: number;
    readonly known: number;
  }): void;
  discoveryTrouble(fields: { readonly route: string; readonly trouble: string }): void;
  discoveryWell(fields: { readonly route: string }): void;
  moveFailed(fields: {
    readonly route: string;
    readonly cause: string;
    readonly why: string;
  }): void;
  routesChanged(fields: {
    readonly added: readonly string[];
    readonly changed: readonly string[];
    readonly removed: readonly string[];
  }): void;
  /** Files of TLS to a route's endpoints are others now, and in force. */
  tlsFilesChanged(fields: { readonly route: string }): void;
  /** They cannot be used: those before stay in force. `why` names the file. */
  tlsFilesRefused(fields: { readonly route: string; readonly why: string }): void;
  /** A request got an answer that is no socket. */
  answered(fields: {
    readonly route: string;
    readonly status: number;
    readonly isUpgrade: boolean;
    readonly requestId: string;
  }): void;
  /** A socket to an endpoint did not open. */
  upstreamFailed(fields: {
    readonly route: string;
    readonly address: string;
    readonly why: string;
  }): void;
  /** A route is gone, and so are its clients, after `tookMs`. */
  routeEmptied(fields: { readonly route: string; readonly clients: number }): void;
  /** `key`: the name of the key. */
  ordered(fields: {
    readonly key: string;
    readonly order: "drain" | "undrain" | "shed" | "weight";
    readonly route: string;
    readonly address: string;
    readonly token?: number;
    readonly outcome: string;
  }): void;
  sessionEnded(fields: { readonly key: string; readonly session: string }): void;
  bug(fields: { readonly where: string; readonly error: unknown }): void;
}
