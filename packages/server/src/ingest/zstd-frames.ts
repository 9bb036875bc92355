// Owns: whether bytes are whole Zstandard frames (RFC 8878) that may be decompressed. The runtime's
// decoder takes cut input for whole, ignores what follows the frames, and takes any window. Pure.

/** What decoders of the content coding must take, and encoders must not exceed (RFC 9659). */
const WINDOW_BYTES_MAX = 8 * 1024 * 1024;
const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;
const FRAMES_MAX = 1_024;

/** Undefined: they are. Otherwise what was found. */
export function zstdProblem(bytes: Uint8Array): string | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  if (bytes.length === 0) return "nothing";
  for (let frames = 0; at < bytes.length; frames++) {
    if (frames === FRAMES_MAX) return `more than ${FRAMES_MAX} frames`;
    if (at + 8 > bytes.length) return "a frame that is cut";
    const magic = view.getUint32(at, true);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) {
      at += 8 + view.getUint32(at + 4, true);
      continue;
    }
    if (magic !== MAGIC) return "no frame";
    const end = frameEnd(view, at + 4);
    if (typeof end === "string") return end;
    at = end;
  }
  return at === bytes.length ? undefined : "a frame that is cut";
}

/** Where the frame ends whose header begins at `from`. */
function frameEnd(view: DataView, from: number): number | string {
  const length = view.byteLength;
  const descriptor = view.getUint8(from);
  const isSingle = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  if ((descriptor & 0x08) !== 0) return "a reserved bit";
  if ((descriptor & 0x03) !== 0) return "a dictionary";
  const sizeFlag = descriptor >> 6;
  const sizeBytes = sizeFlag === 0 ? (isSingle ? 1 : 0) : 1 << sizeFlag;
  let at = from + 1;
  if (!isSingle) {
    if (at >= length) return "a frame that is cut";
    const window = view.getUint8(at++);
    const base = 2 ** (10 + (window >> 3));
    if (base + (base / 8) * (window & 7) > WINDOW_BYTES_MAX)
      return `a window over ${WINDOW_BYTES_MAX} bytes`;
  }
  at += sizeBytes;
  for (;;) {
    if (at + 3 > length) return "a frame that is cut";
    const block = view.getUint8(at) | (view.getUint8(at + 1) << 8) | (view.getUint8(at + 2) << 16);
    const type = (block >> 1) & 3;
    if (type === 3) return "a reserved block";
    // A block of one repeated byte has that byte alone.
    at += 3 + (type === 1 ? 1 : block >> 3);
    if (at > length) return "a frame that is cut";
    if ((block & 1) === 1) break;
  }
  if (hasChecksum) at += 4;
  return at > length ? "a frame that is cut" : at;
}
