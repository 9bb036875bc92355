// Owns: what Content-Encoding says of a body, undone within a bound.
import { promisify } from "node:util";
import * as zlib from "node:zlib";
import type { Problem } from "../http/problem.ts";
import { zstdProblem } from "./zstd-frames.ts";

export type Encoding = "identity" | "gzip" | "zstd";

/** Undefined: one that is not taken, or several. */
export function encodingOf(header: string | null): Encoding | undefined {
  const name = (header ?? "identity").trim().toLowerCase();
  if (name === "" || name === "identity") return "identity";
  if (name === "gzip" || name === "x-gzip") return "gzip";
  return name === "zstd" ? "zstd" : undefined;
}

/** Types of Node 20 lack it. */
const { zstdDecompress } = zlib as unknown as { readonly zstdDecompress: typeof zlib.gunzip };
const INFLATE = { gzip: promisify(zlib.gunzip), zstd: promisify(zstdDecompress) };

/** The bytes, at most `bytesMax`. What a bomb would take beyond is never made. */
export async function decompress(
  bytes: Uint8Array,
  encoding: Encoding,
  bytesMax: number,
): Promise<Uint8Array | Problem> {
  if (encoding === "identity") return bytes;
  const problem = encoding === "zstd" ? zstdProblem(bytes) : undefined;
  if (problem !== undefined) return broken(encoding, problem);
  try {
    return await INFLATE[encoding](bytes, { maxOutputLength: bytesMax });
  } catch (error) {
    if ((error as { code?: unknown }).code === "ERR_BUFFER_TOO_LARGE")
      return {
        code: "payload_too_large",
        detail: `Cannot read the body: found more than ${bytesMax} bytes in it, expected at most that`,
      };
    return broken(encoding, "something else, or a part of it");
  }
}

const broken = (encoding: Encoding, found: string): Problem => ({
  code: "request_invalid",
  detail: `Cannot decompress the body: found ${found}, expected whole ${encoding}`,
});
