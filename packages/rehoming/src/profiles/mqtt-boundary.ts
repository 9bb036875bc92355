// Owns: whether a stream of packets stands between two of them, without keeping it.

export class PacketBoundary {
  /** Bytes of the packet behind its head. */
  #left = 0;
  /** Bytes of a head that is not whole: its type is one of them. */
  #headBytes = 0;
  #length = 0;

  get isBetween(): boolean {
    return this.#left === 0 && this.#headBytes === 0;
  }

  feed(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#left > 0) {
        const skipped = Math.min(this.#left, bytes.length - at);
        this.#left -= skipped;
        at += skipped;
      } else {
        this.#head(bytes[at] as number);
        at += 1;
      }
    }
  }

  #head(byte: number): void {
    this.#headBytes += 1;
    if (this.#headBytes === 1) return;
    this.#length += (byte & 0x7f) * 128 ** (this.#headBytes - 2);
    // Longer heads are a fault, which the reader of the packets finds.
    if (byte >= 0x80 && this.#headBytes < 5) return;
    this.#left = this.#length;
    this.#length = 0;
    this.#headBytes = 0;
  }
}
