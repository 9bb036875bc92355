// Owns: one request to the HTTP API of a data plane. The key is in a header alone, never in an
// error.
import { answerText, at, parsedJson, text } from "@holdfast/kube";
import { PlaneError } from "./plane.ts";

export interface PlaneHttpOptions {
  /** For people: `node`, `gateway`. */
  readonly called: string;
  readonly port: number;
  readonly scheme: "http" | "https";
  /** What stands before `/api/v1`: empty, or `/path`. */
  readonly basePath: string;
  /** The API key. Asked before each request. */
  readonly key: () => Promise<string>;
  /** Scopes that the key needs, for people. */
  readonly scopes: string;
  /** The key was refused: it may have been changed. */
  readonly keyRefused?: () => void;
  /** How long an answer may take. A data plane answers at once. */
  readonly timeoutMs?: number;
  /** Longest answer. */
  readonly bytesMax: number;
}

/** A data plane answers at once; one that does not is not heard of in this round. */
const TIMEOUT_MS = 3000;
const REASON_LENGTH_MAX = 200;
/**
 * A certificate has the name that clients ask for, never the address of a pod. So it is not
 * checked, as the kubelet's probes do not check it either.
 */
const AS_PROBES = { rejectUnauthorized: false };

export class PlaneHttp {
  readonly #options: PlaneHttpOptions;

  constructor(options: PlaneHttpOptions) {
    this.#options = options;
  }

  /** The answer as JSON. Rejects with PlaneError. */
  async request(
    address: string,
    method: "GET" | "POST",
    path: string,
    body?: object,
  ): Promise<unknown> {
    const { called, scheme, port, basePath, key, timeoutMs = TIMEOUT_MS } = this.#options;
    const host = address.includes(":") ? `[${address}]` : address;
    const act = `${method} ${path} of the ${called} at ${host}:${port}`;
    const secret = await key();
    let response: Response;
    let content: string | undefined;
    try {
      response = await fetch(`${scheme}://${host}:${port}${basePath}/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${secret}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        // A redirect would send the key to the host that it names.
        redirect: "error",
        ...(scheme === "https" ? { tls: AS_PROBES } : {}),
        signal: AbortSignal.timeout(timeoutMs),
      } as RequestInit);
      content = await answerText(response, this.#options.bytesMax);
    } catch (cause) {
      const why = cause instanceof Error ? cause.name : "it failed";
      throw new PlaneError("unreachable", `Cannot ${act}: ${why}, expected an answer`, { cause });
    }
    if (content === undefined)
      throw new PlaneError(
        "refused",
        `Cannot ${act}: found more than ${this.#options.bytesMax} bytes`,
      );
    if (response.ok) return parsedJson(content);
    throw this.#refusal(act, response.status, { content, secret });
  }

  #refusal(
    act: string,
    status: number,
    { content, secret }: { readonly content: string; readonly secret: string },
  ): PlaneError {
    // One that repeats what it was sent must not bring the key into a log.
    const detail = text(at(parsedJson(content), "detail"))
      ?.replaceAll(secret, "...")
      .slice(0, REASON_LENGTH_MAX);
    const found = `${status}${detail === undefined ? "" : ` (${detail})`}`;
    if (status === 401 || status === 403) {
      this.#options.keyRefused?.();
      return new PlaneError(
        "key",
        `Cannot ${act}: ${found}, expected scopes ${this.#options.scopes}`,
      );
    }
    const code = status >= 500 || status === 429 ? "unreachable" : "refused";
    return new PlaneError(code, `Cannot ${act}: ${found}, expected 2xx`);
  }
}
