// Owns: TLS of the listener for clients.
import type { GatewayConfig } from "../options/gateway-options.ts";
import { type Identity, readIdentity } from "./tls-files.ts";

/** Undefined: without TLS. Throws TlsFileError. */
export function listenerIdentity({
  tls: { certFile, keyFile },
}: GatewayConfig): Identity | undefined {
  if (certFile === undefined || keyFile === undefined) return undefined;
  return readIdentity(
    { option: "tls.certFile", file: certFile },
    { option: "tls.keyFile", file: keyFile },
  );
}
