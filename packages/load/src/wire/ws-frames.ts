// Owns: the part of RFC 6455 that a load driver needs: it writes masked text frames and reads frame
// headers.

/** One frame found in a buffer: payload bytes `from`..`to`. */
export interface FrameSpan {
  readonly opcode: number;
  /** False: the message continues in the next frame. */
  readonly fin: boolean;
  readonly from: number;
  readonly to: number;
}

/**
 * The frame that begins at `at`, or undefined when the buffer does not hold all of it. Server
 * frames: never masked.
 */
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
  return bytes.length < from + length
    ? undefined
    : { opcode: first & 0x0f, fin: first >= 0x80, from, to: from + length };
}

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/**
 * A whole frame as a client sends it. The mask is zero: allowed on the wire, and nothing has to be
 * masked.
 */
export function clientFrame(opcode: number, payload: string | Uint8Array): Buffer {
  const length = Buffer.byteLength(payload);
  const head = length < 126 ? 6 : length < 65_536 ? 8 : 14;
  const frame = Buffer.alloc(head + length);
  frame[0] = 0x80 | opcode;
  if (head === 6) frame[1] = 0x80 | length;
  else if (head === 8) {
    frame[1] = 0x80 | 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 0x80 | 127;
    frame.writeBigUInt64BE(BigInt(length), 2);
  }
  if (typeof payload === "string") frame.write(payload, head);
  else frame.set(payload, head);
  return frame;
}

/** A text frame as a client sends it. */
export const textFrame = (text: string): Buffer => clientFrame(OPCODE.text, text);

/** A close frame with a code. */
export function closeFrame(code: number): Buffer {
  return clientFrame(OPCODE.close, Uint8Array.of(code >> 8, code & 0xff));
}

const NONCE = "dGhlIHNhbXBsZSBub25jZQ==";
/** What a server that speaks WebSocket answers to NONCE (RFC 6455 section 1.3). */
export const NONCE_ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/** The request that opens a WebSocket. */
export function upgradeRequest(options: {
  readonly host: string;
  readonly path: string;
  readonly subprotocol?: string;
  readonly headers?: Readonly<Record<string, string>>;
}): string {
  const lines = [
    `GET ${options.path} HTTP/1.1`,
    `Host: ${options.host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${NONCE}`,
    ...Object.entries(options.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
  ];
  if (options.subprotocol !== undefined)
    lines.push(`Sec-WebSocket-Protocol: ${options.subprotocol}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}
