// Owns: the engine's environment on real runtimes: WebSocket, timers, cryptographic chance, and
// hints of the page.

import type { Hint } from "./engine/engine-core.ts";
import type { ClientEnvironment, Transport, TransportHandlers } from "./engine/environment.ts";
import type { WebSocketLike } from "./options.ts";

const OPEN = 1;

/** `make` begins to open a socket; it may throw. */
export function webEnvironment(
  make: (url: string, subprotocol: string) => WebSocketLike,
): ClientEnvironment {
  return {
    clock: {
      wallMs: () => Date.now(),
      nowMs: () => performance.now(),
      after: (delayMs, task) => {
        // What was due a moment ago is due now; some runtimes warn of negative times.
        const timer = setTimeout(task, Math.max(0, delayMs));
        return () => clearTimeout(timer);
      },
      defer: (task) => queueMicrotask(task),
    },
    random: {
      next: () => {
        const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
        return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
      },
    },
    open: (url, subprotocol, handlers) => openSocket(() => make(url, subprotocol), handlers),
  };
}

function openSocket(make: () => WebSocketLike, handlers: TransportHandlers): Transport {
  let socket: WebSocketLike;
  try {
    socket = make();
  } catch (error) {
    setTimeout(() => handlers.closed(1006, String(error)), 0);
    return { send() {}, close() {} };
  }
  socket.binaryType = "arraybuffer";
  socket.onopen = () => handlers.opened();
  socket.onmessage = (event: { readonly data: unknown }) => {
    if (typeof event.data === "string") handlers.message(event.data);
    else if (event.data instanceof ArrayBuffer) handlers.message(new Uint8Array(event.data));
  };
  socket.onclose = (event: { readonly code: number; readonly reason: string }) =>
    handlers.closed(event.code, event.reason);
  // A close event follows every error; without a handler some implementations throw.
  socket.onerror = () => {};
  return {
    send(message) {
      if (socket.readyState !== OPEN) return;
      socket.send(typeof message === "string" ? message : new Uint8Array(message));
    },
    close(code, reason) {
      try {
        socket.close(code, reason);
      } catch {
        // The reason was longer than 123 bytes of UTF-8.
        socket.close(code);
      }
    },
  };
}

/**
 * Listens for what the runtime tells of network and page, where it tells it. The result ends that.
 */
export function listenForHints(hint: (hint: Hint) => void): () => void {
  const { addEventListener, removeEventListener } = globalThis;
  if (typeof addEventListener !== "function" || typeof removeEventListener !== "function")
    return () => {};
  const online = () => hint("online");
  const offline = () => hint("offline");
  const page = typeof document === "undefined" ? undefined : document;
  const visible = () => page?.visibilityState === "visible" && hint("visible");
  addEventListener("online", online);
  addEventListener("offline", offline);
  page?.addEventListener("visibilitychange", visible);
  return () => {
    removeEventListener("online", online);
    removeEventListener("offline", offline);
    page?.removeEventListener("visibilitychange", visible);
  };
}
