// Owns: when the external scaler listens: while this operator leads, and never else. Whoever asks
// by the Service comes to the one that listens, and nobody gets an old number.
import { readFileSync } from "node:fs";
import type { ScalerParts, ScalerServer } from "./server.ts";

export interface ScalerTermOptions extends Omit<ScalerParts, "tls"> {
  /** PEM files. Absent: without TLS. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  readonly tell: (event: ScalerTermEvent) => void;
  /** How long after a failure it is tried again, and how often the files are read. */
  readonly retryMs?: number;
  readonly renewMs?: number;
}

export type ScalerTermEvent =
  | { readonly type: "listens"; readonly port: number }
  | { readonly type: "closed" }
  /** The port could not be had, or a file could not be read. It is tried again. */
  | { readonly type: "failed"; readonly error: unknown };

const RETRY_MS = 5000;
/** Kubelets bring a renewed Secret into its files within about a minute. */
const RENEW_MS = 60_000;

export class ScalerTerm {
  readonly #options: ScalerTermOptions;
  #server: ScalerServer | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #tls: ScalerParts["tls"];
  /** Of the term that runs; a listener that comes later than its term is closed. */
  #term: object | undefined;

  constructor(options: ScalerTermOptions) {
    this.#options = options;
  }

  get server(): ScalerServer | undefined {
    return this.#server;
  }

  begin(): void {
    this.end();
    const term = {};
    this.#term = term;
    void this.#listen(term);
  }

  end(): void {
    this.#term = undefined;
    clearInterval(this.#timer);
    if (this.#server === undefined) return;
    this.#server.close();
    this.#server = undefined;
    this.#options.tell({ type: "closed" });
  }

  async #listen(term: object): Promise<void> {
    const { retryMs = RETRY_MS, renewMs = RENEW_MS, tell, tls: _, ...parts } = this.#options;
    let server: ScalerServer;
    try {
      this.#tls = this.#read();
      // Operators without a scaler, and those that do not lead, load no gRPC.
      const { serveScaler } = await import("./server.ts");
      server = await serveScaler({
        ...parts,
        ...(this.#tls === undefined ? {} : { tls: this.#tls }),
      });
    } catch (error) {
      if (this.#term !== term) return;
      tell({ type: "failed", error });
      this.#timer = setTimeout(() => void this.#listen(term), retryMs);
      return;
    }
    if (this.#term !== term) {
      server.close();
      return;
    }
    this.#server = server;
    tell({ type: "listens", port: server.port });
    if (this.#tls !== undefined) this.#timer = setInterval(() => this.#renew(), renewMs);
  }

  /** A renewed certificate begins a new listener: peers connect again. */
  #renew(): void {
    try {
      const found = this.#read();
      if (found === undefined || this.#tls === undefined) return;
      if (found.cert.equals(this.#tls.cert) && found.key.equals(this.#tls.key)) return;
    } catch (error) {
      this.#options.tell({ type: "failed", error });
      return;
    }
    this.begin();
  }

  #read(): ScalerParts["tls"] {
    const { tls } = this.#options;
    if (tls === undefined) return undefined;
    return { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) };
  }
}
