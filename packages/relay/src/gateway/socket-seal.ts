// Owns: what clients carry from one gateway to the next, so that they can neither read nor change
// it, if the gateways share a key.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

const CIPHER = "aes-256-gcm";
const IV_BYTES = 12;
const TAG_BYTES = 16;
/** How long what was sealed can be used. Clocks of gateways differ by less. */
const SEALED_MS = 120_000;

/** What a client carries: who it is, or what is known of it. */
export type Sealed = "ticket" | "state";

export class SocketSeal {
  readonly #keys: () => readonly string[];

  /** The first key seals, all of them open. Without any, clients can read and write everything. */
  constructor(keys: () => readonly string[]) {
    this.#keys = keys;
  }

  get isClosed(): boolean {
    return this.#keys().length > 0;
  }

  seal(kind: Sealed, value: object): string {
    const text = JSON.stringify({ ...value, kind, untilMs: Date.now() + SEALED_MS });
    const [key] = this.#keys();
    if (key === undefined) return Buffer.from(text).toString("base64url");
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv(CIPHER, secretOf(key), iv);
    const parts = [iv, cipher.update(text), cipher.final(), cipher.getAuthTag()];
    return Buffer.concat(parts).toString("base64url");
  }

  /** Undefined: no gateway of these keys sealed it, or it is too old. */
  open(kind: Sealed, text: unknown): Readonly<Record<string, unknown>> | undefined {
    if (typeof text !== "string") return undefined;
    const bytes = Buffer.from(text, "base64url");
    const found = this.isClosed
      ? this.#keys()
          .map((key) => opened(key, bytes))
          .find((one) => one !== undefined)
      : parsed(bytes);
    if (found?.["kind"] !== kind) return undefined;
    const { untilMs } = found;
    if (this.isClosed && !(typeof untilMs === "number" && untilMs > Date.now())) return undefined;
    return found;
  }
}

const secretOf = (key: string): Buffer =>
  createHash("sha256").update(`holdfast.socket.v1\n${key}`).digest();

function opened(key: string, bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  if (bytes.length < IV_BYTES + TAG_BYTES) return undefined;
  try {
    const decipher = createDecipheriv(CIPHER, secretOf(key), bytes.subarray(0, IV_BYTES));
    decipher.setAuthTag(bytes.subarray(-TAG_BYTES));
    const text = decipher.update(bytes.subarray(IV_BYTES, -TAG_BYTES));
    return parsed(Buffer.concat([text, decipher.final()]));
  } catch {
    return undefined;
  }
}

function parsed(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    return Object(JSON.parse(bytes.toString()));
  } catch {
    return undefined;
  }
}
