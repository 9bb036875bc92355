// Owns: one address for several servers, as a Service of Kubernetes is: each new connection goes to
// the one with the fewest. A connection stays where it is.
import { connect, createServer, type Server, type Socket } from "node:net";

export class Service {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #counts = new Map<string, number>();
  endpoints: readonly string[];

  constructor(endpoints: readonly string[]) {
    this.endpoints = endpoints;
    this.#server = createServer((near) => this.#accept(near));
  }

  /** Resolves with its port. */
  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  end(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(near: Socket): void {
    const [first = ""] = [...this.endpoints].sort((a, b) => this.#count(a) - this.#count(b));
    const [host = "", port = ""] = first.split(":");
    this.#counts.set(first, this.#count(first) + 1);
    const far = connect(Number(port), host);
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(one);
      one.setNoDelay(true);
      one.pipe(other);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.#sockets.delete(one);
        other.destroy();
      });
    }
    far.on("close", () => this.#counts.set(first, this.#count(first) - 1));
  }

  #count(address: string): number {
    return this.#counts.get(address) ?? 0;
  }
}
