// Owns: the body of a request to ingest: bounded in bytes and time before and after decompression,
// and in the node's memory.
import type { Problem } from "../http/problem.ts";
import type { Reservation } from "./byte-room.ts";
import { decompress, type Encoding } from "./decompress.ts";

export interface BodyReading {
  readonly encoding: Encoding;
  readonly bytesMax: number;
  readonly timeoutMs: number;
  readonly reserved: Reservation;
  readonly onBytes: (bytes: number) => void;
}

const NO_ROOM: Problem = {
  code: "try_later",
  detail: "Cannot take the body: found as many bytes of bodies as this node holds, or as its share",
  retryMs: 1_000,
};

/** The bytes that were meant, or what is wrong. A body that is too large is not read to its end. */
export async function readBody(
  request: Request,
  reading: BodyReading,
): Promise<Uint8Array | Problem> {
  const { encoding, bytesMax, reserved } = reading;
  const read = await readBytes(request, reading);
  if (!(read instanceof Uint8Array)) return read;
  if (encoding === "identity") return read;
  // Until it is known what comes out, it may be as much as is allowed.
  if (!reserved.grow(read.length + bytesMax)) return NO_ROOM;
  const bytes = await decompress(read, encoding, bytesMax);
  if (!(bytes instanceof Uint8Array)) return bytes;
  reading.onBytes(bytes.length);
  reserved.grow(read.length + bytes.length);
  return bytes;
}

async function readBytes(
  request: Request,
  { bytesMax, timeoutMs, reserved, onBytes }: BodyReading,
): Promise<Uint8Array | Problem> {
  const declared = Number(request.headers.get("content-length") ?? 0);
  if (declared > bytesMax) return tooLarge(bytesMax);
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<"late">((resolve) => {
    timer = setTimeout(resolve, timeoutMs, "late");
  });
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for (;;) {
      const part = await Promise.race([reader.read(), late]);
      if (part === "late")
        return { code: "request_timeout", detail: `the body took longer than ${timeoutMs} ms` };
      if (part.done) return Buffer.concat(chunks);
      bytes += part.value.byteLength;
      if (bytes > bytesMax) return tooLarge(bytesMax);
      if (!reserved.grow(bytes)) return NO_ROOM;
      onBytes(part.value.byteLength);
      chunks.push(part.value);
    }
  } catch {
    return { code: "request_invalid", detail: "the body broke off" };
  } finally {
    clearTimeout(timer);
    // The rest is not wanted; the peer may be gone already.
    reader.cancel().catch(() => {});
  }
}

const tooLarge = (bytesMax: number): Problem => ({
  code: "payload_too_large",
  detail: `Cannot read the body: found more than ${bytesMax} bytes, expected at most that`,
});
