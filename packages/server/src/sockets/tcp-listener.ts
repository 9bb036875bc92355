// Owns: a listener of plain TCP for a door whose protocol brings its own framing.
import type { DoorClient, Link } from "@holdfast/core";
import type { TLSOptions } from "bun";
import { guarded } from "./guarded.ts";
import { type TcpData, TcpLink, type TcpSocket } from "./tcp-link.ts";

export interface TcpListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly reusePort: boolean;
  /** Unsent bytes at which a connection is cut; above the engine's own limit. */
  readonly queueBytesMax: number;
  /** Most sockets. Beyond, a connection is closed before its first byte. */
  readonly socketsMax: number;
  /** Absent: plain TCP. With it a client begins when its handshake is done. */
  readonly tls?: TLSOptions;
  open(link: Link, socket: TcpSocket): DoorClient;
  /** A connection was closed, because there are too many. */
  readonly onFull: (address: string) => void;
  readonly onError: (where: string, error: unknown) => void;
}

export interface TcpListener {
  readonly port: number;
  /** Closes the listener; open connections stay. */
  stopListening(): void;
  /** Cuts the connections that are left. */
  end(): void;
}

/** Bun knows `reusePort` here too; its types do not. */
interface ListenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly reusePort: boolean;
}

/** A peer that vanished without a word is noticed by the system's own probes. */
const PROBE_AFTER_MS = 60_000;
/** Longer chunks are measured: their cost counts towards the share of their sender. */
const MEASURED_FROM_BYTES = 2048;

/** Throws if it cannot listen on the port. */
export function listenTcp(options: TcpListenerOptions): TcpListener {
  const { onError, queueBytesMax, socketsMax } = options;
  const sockets = new Set<TcpSocket>();
  const where: ListenOptions = {
    hostname: options.host,
    port: options.port,
    reusePort: options.reusePort,
  };
  const { tls } = options;
  const begin = (socket: TcpSocket): void => {
    const { link } = socket.data;
    if (link !== undefined) socket.data.client = options.open(link, socket);
  };
  const listener = Bun.listen<TcpData>({
    ...where,
    ...(tls === undefined ? {} : { tls }),
    socket: {
      open: guarded(onError, "tcp.open", (socket: TcpSocket) => {
        socket.data = { client: undefined, link: undefined };
        // It was gone before it was accepted: it has no address any more, and nobody hears us.
        if (socket.remoteAddress === undefined) return void socket.terminate();
        if (sockets.size >= socketsMax) {
          options.onFull(socket.remoteAddress);
          socket.terminate();
          return;
        }
        sockets.add(socket);
        socket.setNoDelay(true);
        socket.setKeepAlive(true, PROBE_AFTER_MS);
        const link = new TcpLink(socket, queueBytesMax);
        socket.data.link = link;
        if (tls === undefined) begin(socket);
      }),
      ...(tls === undefined
        ? {}
        : {
            handshake: guarded(onError, "tls.handshake", (socket: TcpSocket, isDone: boolean) => {
              if (isDone) begin(socket);
              else socket.terminate();
            }),
          }),
      data: guarded(onError, "tcp.data", (socket: TcpSocket, chunk: Uint8Array) => {
        const { client } = socket.data;
        if (chunk.length < MEASURED_FROM_BYTES) return client?.message(chunk);
        const beganMs = performance.now();
        client?.message(chunk);
        client?.processed(performance.now() - beganMs);
      }),
      drain: guarded(onError, "tcp.drain", (socket: TcpSocket) => {
        const { client, link } = socket.data;
        link?.drained();
        client?.writable();
      }),
      // The peer sends no more. What it was sent may still be read; MQTT has no half-open state.
      end: guarded(onError, "tcp.end", (socket: TcpSocket) => {
        over(socket, true);
        socket.end();
      }),
      close: guarded(onError, "tcp.close", (socket: TcpSocket) => over(socket, false)),
      error: guarded(onError, "tcp.error", (socket: TcpSocket) => over(socket, false)),
    },
  });
  const over = (socket: TcpSocket, isClean: boolean): void => {
    sockets.delete(socket);
    const { client, link } = socket.data ?? {};
    if (socket.data !== undefined) socket.data.client = undefined;
    link?.over();
    client?.closed(isClean);
  };
  return {
    port: listener.port,
    stopListening: () => listener.stop(),
    end() {
      listener.stop();
      for (const socket of sockets) socket.terminate();
    },
  };
}
