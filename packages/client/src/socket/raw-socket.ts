// Owns: a WebSocket of the runtime as the engine of a HoldfastSocket uses it.
import type { RawEvents, RawSocket, SocketEnd } from "./socket-ports.ts";

/** Any constructor with the interface of WebSocket. */
export interface WebSocketClass {
  new (url: string | URL, protocols?: string[]): WebSocket;
}

export interface RawWebSocket extends RawSocket {
  readonly socket: WebSocket;
}

/** Wires one. `onData` hears of a message's own event before the engine gets its data. */
export function rawSocket(socket: WebSocket, events: RawEvents): RawWebSocket {
  let isError = false;
  socket.onopen = () => events.opened();
  socket.onmessage = ({ data }) => events.message(data);
  socket.onerror = () => {
    isError = true;
  };
  socket.onclose = ({ code, reason, wasClean }) =>
    events.closed({ code, reason, wasClean, isError } satisfies SocketEnd);
  return {
    socket,
    get protocol() {
      return socket.protocol;
    },
    send: (data) => socket.send(data as string),
    close: (code, reason) => socket.close(code, reason),
  };
}
