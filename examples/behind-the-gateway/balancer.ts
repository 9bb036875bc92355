// Owns: what stands before servers usually, for comparison: a plain TCP balancer.
import { createServer, connect as dial, type Server } from "node:net";

/** New connections go to the newest server. Others stay where they are, until that ends. */
export class PlainBalancer {
  readonly #server: Server;
  #target: { readonly host: string; readonly port: number } | undefined;

  private constructor() {
    this.#server = createServer((client) => {
      client.on("error", () => client.destroy());
      if (this.#target === undefined) return client.destroy();
      const server = dial(this.#target);
      server.on("error", () => client.destroy()).on("close", () => client.destroy());
      client.on("close", () => server.destroy());
      client.pipe(server).pipe(client);
    });
  }

  /** On a free port. */
  static start(host: string): Promise<PlainBalancer> {
    const balancer = new PlainBalancer();
    return new Promise((resolve, reject) => {
      balancer.#server.once("error", reject).listen(0, host, () => resolve(balancer));
    });
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  /** Where new connections go, as host:port. */
  sendTo(address: string): void {
    const [host = "", port] = address.split(":");
    this.#target = { host, port: Number(port) };
  }

  stop(): void {
    this.#server.close();
  }
}
