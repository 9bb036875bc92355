// Owns: an HTTP server for tests that can do what servers must not: stop in the middle of a line,
// say nothing, cut a connection.
import type { Socket } from "bun";

/** One request and what is answered to it, byte by byte. */
export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** Whole answer. */
  answer(status: number, body: unknown, headers?: Readonly<Record<string, string>>): void;
  /** Status and headers of an answer in chunks. */
  begin(): void;
  chunk(bytes: string | Uint8Array): void;
  /** The end of an answer in chunks. */
  end(): void;
  /** Ends the connection without a word. */
  cut(): void;
  readonly isOpen: boolean;
}

export interface RawServer {
  readonly port: number;
  /** Connections that are open. */
  readonly connections: number;
  stop(): void;
}

interface Connection {
  received: Buffer;
  isOpen: boolean;
}

export interface RawTls {
  readonly cert: string;
  readonly key: string;
  /** With this, clients must have a certificate of it. */
  readonly ca?: string;
}

export function rawServer(
  take: (exchange: Exchange) => void,
  { port = 0, tls }: { readonly port?: number; readonly tls?: RawTls } = {},
): RawServer {
  const open = new Set<Socket<Connection>>();
  const listener = Bun.listen<Connection>({
    hostname: "127.0.0.1",
    port,
    ...(tls === undefined
      ? {}
      : { tls: { ...tls, requestCert: tls.ca !== undefined, rejectUnauthorized: true } }),
    socket: {
      open: (socket) => {
        socket.data = { received: Buffer.alloc(0), isOpen: true };
        open.add(socket);
      },
      close: (socket) => {
        socket.data.isOpen = false;
        open.delete(socket);
      },
      error: () => {},
      data: (socket, bytes) => {
        socket.data.received = Buffer.concat([socket.data.received, bytes]);
        for (let next = exchangeOf(socket); next !== undefined; next = exchangeOf(socket))
          take(next);
      },
    },
  });
  return {
    port: listener.port,
    get connections() {
      return open.size;
    },
    stop: () => {
      listener.stop(true);
      for (const socket of open) socket.terminate();
    },
  };
}

/** The next request that is complete, taken out of what was received. */
function exchangeOf(socket: Socket<Connection>): Exchange | undefined {
  const { received } = socket.data;
  const end = received.indexOf("\r\n\r\n");
  if (end === -1) return undefined;
  const [first = "", ...rest] = received.subarray(0, end).toString().split("\r\n");
  const headers = Object.fromEntries(
    rest.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const from = end + 4;
  const length = Number(headers["content-length"] ?? 0);
  if (received.length < from + length) return undefined;
  socket.data.received = received.subarray(from + length);
  const [method = "", target = ""] = first.split(" ");
  const url = new URL(target, "http://host");
  const write = (bytes: string | Uint8Array) => {
    if (socket.data.isOpen) socket.write(bytes);
  };
  return {
    ...{ method, headers, path: url.pathname, query: url.searchParams },
    body: received.subarray(from, from + length).toString(),
    answer: (status, body, more = {}) => {
      const content = typeof body === "string" ? body : JSON.stringify(body);
      const all = { ...more, "Content-Length": String(Buffer.byteLength(content)) };
      const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
      write(`HTTP/1.1 ${status} Status\r\n${lines.join("")}\r\n${content}`);
    },
    begin: () => write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    chunk: (bytes) => {
      const content = Buffer.from(bytes as Uint8Array);
      write(Buffer.concat([Buffer.from(`${content.length.toString(16)}\r\n`), content, CRLF]));
    },
    end: () => write("0\r\n\r\n"),
    cut: () => socket.terminate(),
    get isOpen() {
      return socket.data.isOpen;
    },
  };
}

const CRLF = Buffer.from("\r\n");
