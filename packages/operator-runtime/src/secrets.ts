// Owns: the one value of a Secret that a set names: its API key.
import { createHash } from "node:crypto";
import { at, type Json, type KubeApi, record, text } from "@holdfast/kube";
import { PATHS } from "./names.ts";
import { PlaneError } from "./plane.ts";

/** A changed Secret is seen after this, or as soon as the old key is refused. */
const KEPT_MS = 60_000;
/** A refused key makes the Secret be read again at most so often. */
const AGAIN_MS = 5000;

export interface SecretSource {
  readonly namespace: string;
  readonly name: string;
  readonly key: string;
}

/** Reads the value when it is needed, and keeps it for a minute. It is in no error. */
export class SecretValue {
  readonly #api: Pick<KubeApi, "get">;
  readonly #source: SecretSource;
  readonly #nowMs: () => number;
  #read: { readonly value: Promise<string>; atMs: number } | undefined;

  constructor(api: Pick<KubeApi, "get">, source: SecretSource, nowMs: () => number) {
    this.#api = api;
    this.#source = source;
    this.#nowMs = nowMs;
  }

  /** Rejects with PlaneError `key` if it is not there or may not be read. */
  value(): Promise<string> {
    const nowMs = this.#nowMs();
    if (this.#read === undefined || nowMs - this.#read.atMs > KEPT_MS)
      this.#read = { value: this.#ask(), atMs: nowMs };
    return this.#read.value;
  }

  /** The value was refused. */
  refused(): void {
    if (this.#read !== undefined)
      this.#read.atMs = Math.min(this.#read.atMs, this.#nowMs() - KEPT_MS + AGAIN_MS);
  }

  async #ask(): Promise<string> {
    const { namespace, name, key } = this.#source;
    const act = `Cannot read key ${key} of Secret ${namespace}/${name}`;
    let data: Json;
    try {
      data = record(at(await this.#api.get(PATHS.secret(namespace, name)), "data"));
    } catch (cause) {
      this.refused();
      const why = cause instanceof Error ? cause.message : "it failed";
      throw new PlaneError("key", `${act}: ${why}`, { cause });
    }
    const value = entryOf(data, key);
    const hash = `sha256:${createHash("sha256").update(value).digest("hex")}`;
    if (value !== "" && Object.keys(data).some((other) => entryOf(data, other) === hash))
      return value;
    this.refused();
    const found = value === "" ? "nothing" : "no entry with the hash of its value";
    throw new PlaneError("key", `${act}: found ${found}, expected ${EXPECTED}`);
  }
}

/**
 * Whoever may write a set names the Secret, and controls the pods that get its value. So the value
 * of a Secret that is for something else, such as a password, is sent nowhere.
 */
const EXPECTED = "an API key of the nodes, and beside it its hash, as nodes know it (sha256:...)";

/** Without spaces around it; empty if there is none. */
function entryOf(data: Json, key: string): string {
  const encoded = Object.hasOwn(data, key) ? text(data[key]) : undefined;
  if (encoded === undefined) return "";
  try {
    const bytes = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
    return new TextDecoder().decode(bytes).trim();
  } catch {
    return "";
  }
}
