// Owns: how long a message is on the wire.

/** UTF-8 takes at most 3 bytes for each UTF-16 code unit. */
export const isLonger = (frame: string | Uint8Array, bytesMax: number): boolean =>
  typeof frame === "string"
    ? frame.length * 3 > bytesMax && Buffer.byteLength(frame) > bytesMax
    : frame.byteLength > bytesMax;
