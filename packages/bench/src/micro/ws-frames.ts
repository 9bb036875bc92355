// Owns: the few bytes of RFC 6455 that a load driver needs: masked text frames out, frame headers in.

/** One frame found in a buffer: payload bytes `from`..`to`. */
export interface FrameSpan {
  readonly opcode: number;
  readonly from: number;
  readonly to: number;
}

/** The frame that begins at `at`, or undefined when the buffer does not hold all of it. Server frames: never masked. */
export function frameAt(bytes: Uint8Array, at: number): FrameSpan | undefined {
  const [first, second] = [bytes[at], bytes[at + 1]];
  if (first === undefined || second === undefined) return undefined;
  let from = at + 2;
  let length = second & 0x7f;
  if (length === 126) {
    if (bytes.length < from + 2) return undefined;
    length = ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0);
    from += 2;
  } else if (length === 127) {
    if (bytes.length < from + 8) return undefined;
    length = Number(new DataView(bytes.buffer, bytes.byteOffset + from, 8).getBigUint64(0));
    from += 8;
  }
  return bytes.length < from + length ? undefined : { opcode: first & 0x0f, from, to: from + length };
}

/** A text frame of at most 65,535 bytes as a client sends it. The mask is zero: allowed on the wire, and nothing has to be masked. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const head = length < 126 ? 6 : 8;
  const frame = Buffer.alloc(head + length);
  frame[0] = 0x81;
  if (length < 126) frame[1] = 0x80 | length;
  else {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  }
  frame.write(text, head);
  return frame;
}

/** The request that opens a WebSocket. */
export function upgradeRequest(options: { readonly host: string; readonly path: string; readonly subprotocol?: string }): string {
  const lines = [
    `GET ${options.path} HTTP/1.1`,
    `Host: ${options.host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  ];
  if (options.subprotocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${options.subprotocol}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
