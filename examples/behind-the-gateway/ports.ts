// Owns: the ports of this example: free ones, or the name of the one that is taken.
import { createServer } from "node:net";
import { ExampleError } from "./example-error.ts";

/** The one that is opened in a browser, if nobody asks for another. */
const USUAL = 8080;

/**
 * The port that people open. `asked`: exactly this one; 0: any. If nobody asked, and the usual one
 * is taken, any.
 */
export async function publicPort(host: string, asked: number | undefined): Promise<number> {
  try {
    return await freePort(host, asked ?? USUAL);
  } catch (cause) {
    if (asked === undefined) return await freePort(host, 0);
    const code = (cause as { readonly code?: unknown }).code;
    const why = code === "EADDRINUSE" ? "another program has it" : String(code ?? cause);
    throw new ExampleError(
      "port_unavailable",
      `Cannot listen on port ${asked} of ${host}: ${why}. Choose another with --port, or leave it out`,
      { cause },
    );
  }
}

/** The port, if nobody listens on it. 0: any. */
export function freePort(host: string, port = 0): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen({ port, host, exclusive: true }, () => {
      const address = probe.address();
      const found = typeof address === "object" && address !== null ? address.port : port;
      probe.close(() => resolve(found));
    });
  });
}
