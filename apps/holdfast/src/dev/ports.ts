// Owns: the ports of `holdfast dev`: it finds free ones, or names the one that is in use.
import { createServer } from "node:net";

/**
 * A port is in use or may not be listened on. `message` names the port and how to choose another.
 */
export class PortError extends Error {
  readonly code = "port_unavailable";
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.name = "PortError";
  }
}

export interface PortWish {
  readonly host: string;
  /** 0: any. */
  readonly port: number;
  readonly variable: string;
  readonly flag: string;
  /** Take any other when this one is in use. */
  readonly orAny: boolean;
}

/**
 * Makes sure that no process listens on the port, and returns it. Node processes share the port
 * afterwards. The system would also share it with another program of the same user, so this first
 * opens it exclusively. Rejects with PortError.
 */
export async function claimPort({ host, port, variable, flag, orAny }: PortWish): Promise<number> {
  try {
    return await listenOnce(host, port);
  } catch (error) {
    const code =
      typeof error === "object" && error !== null && "code" in error
        ? String(error.code)
        : "unknown";
    if (orAny && code === "EADDRINUSE") return await listenOnce(host, 0);
    const why =
      code === "EADDRINUSE"
        ? "is in use"
        : code === "EACCES"
          ? "needs more rights"
          : `cannot be listened on (${code})`;
    throw new PortError(
      `Port ${port} on ${host} ${why}. Choose another with ${variable} or ${flag}, as in: ${variable}=${port === 65_535 ? 8001 : port + 1} npm start`,
      {
        cause: error,
      },
    );
  }
}

function listenOnce(host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen({ host, port }, () => {
      const address = server.address();
      const bound = typeof address === "object" && address !== null ? address.port : port;
      server.close(() => resolve(bound));
    });
  });
}
