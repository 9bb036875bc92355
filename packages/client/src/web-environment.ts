// Owns: the engine's environment on real runtimes: WebSocket, timers, cryptographic chance, and
// hints of the page.

import type { Hint } from "./engine/engine-options.ts";
import type { ClientEnvironment, Transport, TransportHandlers } from "./engine/environment.ts";
import type { WebSocketLike } from "./options.ts";

const OPEN = 1;

/** `make` begins to open a socket; it may throw. */
export function webEnvironment(
  make: (url: string, subprotocol: string) => WebSocketLike,
): ClientEnvironment {
  return {
    clock: {
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
        const [bits = 0] = crypto.getRandomValues(new Uint32Array(1));
        return bits / 2 ** 32;
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
  // With this binaryType what is no text is an ArrayBuffer.
  socket.onmessage = ({ data }: { readonly data: string | ArrayBuffer }) =>
    handlers.message(typeof data === "string" ? data : new Uint8Array(data));
  socket.onclose = (event: { readonly code: number; readonly reason: string }) =>
    handlers.closed(event.code, event.reason);
  // A close event follows every error; without a handler some implementations throw.
  socket.onerror = () => {};
  return {
    send(message) {
      if (socket.readyState === OPEN) socket.send(message as string | Uint8Array<ArrayBuffer>);
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
 * Listens for what the runtime tells of network and page, if it tells it. The result ends that.
 * A page that the browser keeps for the way back, or freezes, is paused until it runs again.
 */
export function listenForHints(hint: (hint: Hint) => void): () => void {
  const stop = new AbortController();
  const page = globalThis.document as EventTarget | undefined;
  const on = (
    target: Partial<EventTarget> | undefined,
    name: string,
    tell: (event: Event) => void,
  ) => target?.addEventListener?.(name, tell, { signal: stop.signal });
  const back = () => hint("back");
  const paused = () => hint("paused");
  const kept = (tell: () => void) => (event: Event) => {
    if ((event as PageTransitionEvent).persisted) tell();
  };
  on(globalThis, "online", () => hint("online"));
  on(globalThis, "offline", () => hint("offline"));
  on(globalThis, "pagehide", kept(paused));
  on(globalThis, "pageshow", kept(back));
  on(page, "freeze", paused);
  on(page, "resume", back);
  on(page, "visibilitychange", () => {
    if (document.visibilityState === "visible") back();
  });
  return () => stop.abort();
}
