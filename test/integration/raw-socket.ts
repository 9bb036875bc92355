// Owns: a WebSocket written by hand on a TCP socket, so that a test can break every rule.
import { randomBytes } from "node:crypto";
import { createConnection, type Socket } from "node:net";

export interface RawSocket {
  /** Status line of the answer to the upgrade. */
  readonly status: string;
  readonly headers: string;
  /** One frame with the given first byte (FIN and opcode), masked unless said otherwise. */
  frame(
    firstByte: number,
    payload: Uint8Array | string,
    options?: { masked?: boolean; declaredBytes?: number },
  ): void;
  text(payload: string): void;
  bytes(payload: Uint8Array): void;
  /** Text and binary messages received so far. */
  readonly received: string[];
  /** Code and reason of the node's close frame; code 1006 when the connection ended without one. */
  readonly closed: Promise<{ code: number; reason: string }>;
  /** Stops reading: what the node sends stays in its buffers. */
  pause(): void;
  end(): void;
}

const HEADER_END = "\r\n\r\n";

export async function rawSocket(
  url: string,
  options: {
    protocol?: string;
    origin?: string;
    path?: string;
    headers?: readonly string[];
  } = {},
): Promise<RawSocket> {
  const { hostname, port, host } = new URL(url);
  const socket = createConnection({ host: hostname, port: Number(port) });
  const lines = [
    `GET ${options.path ?? "/connect"} HTTP/1.1`,
    `Host: ${host}`,
    "Upgrade: websocket",
    "Connection: Upgrade",
    `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
    "Sec-WebSocket-Version: 13",
    ...(options.protocol === undefined ? [] : [`Sec-WebSocket-Protocol: ${options.protocol}`]),
    ...(options.origin === undefined ? [] : [`Origin: ${options.origin}`]),
    ...(options.headers ?? []),
  ];
  socket.write(lines.join("\r\n") + HEADER_END);
  return readUpgrade(socket);
}

function readUpgrade(socket: Socket): Promise<RawSocket> {
  return new Promise((resolve, reject) => {
    let buffer = Buffer.alloc(0);
    socket.once("error", reject);
    const onData = (bytes: Buffer): void => {
      buffer = Buffer.concat([buffer, bytes]);
      const end = buffer.indexOf(HEADER_END);
      if (end < 0) return;
      socket.off("data", onData);
      socket.off("error", reject);
      const [status = "", ...headers] = buffer.subarray(0, end).toString().split("\r\n");
      resolve(
        speak(socket, {
          status,
          headers: headers.join("\n"),
          rest: buffer.subarray(end + HEADER_END.length),
        }),
      );
    };
    socket.on("data", onData);
  });
}

function speak(
  socket: Socket,
  { status, headers, rest }: { status: string; headers: string; rest: Buffer },
): RawSocket {
  const received: string[] = [];
  let buffer = rest;
  let close: { code: number; reason: string } | undefined;
  const read = (): void => {
    for (let frame = takeFrame(buffer); frame !== undefined; frame = takeFrame(buffer)) {
      buffer = buffer.subarray(frame.size);
      if (frame.opcode === 8)
        close = {
          code: frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : 1005,
          reason: frame.payload.subarray(2).toString(),
        };
      else if (frame.opcode < 3) received.push(frame.payload.toString());
    }
  };
  socket.on("data", (bytes: Buffer) => {
    buffer = Buffer.concat([buffer, bytes]);
    read();
  });
  socket.on("error", () => {});
  read();
  const closed = new Promise<{ code: number; reason: string }>((resolve) => {
    const done = (): void => resolve(close ?? { code: 1006, reason: "" });
    socket.on("close", done);
    socket.on("end", done);
  });
  const frame: RawSocket["frame"] = (firstByte, payload, { masked = true, declaredBytes } = {}) => {
    const body = Buffer.from(payload);
    const mask = randomBytes(4);
    const header = lengthHeader(firstByte, declaredBytes ?? body.length, masked);
    if (!masked) return void socket.write(Buffer.concat([header, body]));
    for (let i = 0; i < body.length; i++) body[i] = (body[i] as number) ^ (mask[i % 4] as number);
    socket.write(Buffer.concat([header, mask, body]));
  };
  return {
    status,
    headers,
    received,
    closed,
    frame,
    text: (payload) => frame(0x81, payload),
    bytes: (payload) => frame(0x82, payload),
    pause: () => void socket.pause(),
    end: () => void socket.destroy(),
  };
}

function lengthHeader(firstByte: number, length: number, masked: boolean): Buffer {
  const bit = masked ? 0x80 : 0;
  if (length < 126) return Buffer.from([firstByte, bit | length]);
  if (length < 65_536) return Buffer.from([firstByte, bit | 126, length >> 8, length & 255]);
  const header = Buffer.alloc(10);
  header[0] = firstByte;
  header[1] = bit | 127;
  header.writeBigUInt64BE(BigInt(length), 2);
  return header;
}

function takeFrame(buffer: Buffer): { opcode: number; payload: Buffer; size: number } | undefined {
  if (buffer.length < 2) return undefined;
  const short = (buffer[1] as number) & 127;
  const headerSize = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (buffer.length < headerSize) return undefined;
  const length =
    short < 126
      ? short
      : short === 126
        ? buffer.readUInt16BE(2)
        : Number(buffer.readBigUInt64BE(2));
  if (buffer.length < headerSize + length) return undefined;
  return {
    opcode: (buffer[0] as number) & 15,
    payload: buffer.subarray(headerSize, headerSize + length),
    size: headerSize + length,
  };
}
