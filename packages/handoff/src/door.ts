// Owns: sockets of ws and of Bun, as sessions.
import { HANDOFF } from "@holdfast/rehoming/handoff-messages";
import type { HandoffHandlers } from "./handoff-session.ts";
import { HeldSession, type Who, type Wire } from "./held-session.ts";
import { PlainSession } from "./plain-session.ts";

const PREFIX = `${HANDOFF}+`;

/** What the application speaks. */
export interface HandoffOptions {
  /** Its subprotocols, the best first. Who offers none of them gets none. Default none. */
  readonly protocols?: readonly string[];
}

/** A socket of `ws`, as far as it is used. */
export interface WsSocket {
  readonly protocol: string;
  send(data: string | Uint8Array): void;
  close(code: number, reason: string): void;
  on(event: "message", listener: (data: Uint8Array, isBinary: boolean) => void): unknown;
  on(event: "close", listener: (code: number, reason: Uint8Array) => void): unknown;
}

/** A socket of Bun, as far as it is used. */
export interface BunSocket {
  readonly data: unknown;
  send(data: string | Uint8Array): unknown;
  close(code: number, reason: string): void;
}

/** Lets clients in, whether they come through a gateway or not. */
export interface HandoffDoor {
  /** For `handleProtocols` of a `WebSocketServer`. */
  handleProtocols(offered: Iterable<string>): string | false;
  /** For the event `connection` of a `WebSocketServer`. */
  connection(
    socket: WsSocket,
    request: { readonly headers: Readonly<Record<string, string | readonly string[] | undefined>> },
  ): void;
  /** For `fetch` of `Bun.serve`: headers and data of `server.upgrade(request, ...)`. */
  upgrade(request: { readonly headers: { get(name: string): string | null } }): {
    readonly headers: Record<string, string>;
    readonly data: Who;
  };
  /** For `websocket` of `Bun.serve`. */
  readonly websocket: {
    open(socket: BunSocket): void;
    message(socket: BunSocket, data: string | Uint8Array): void;
    close(socket: BunSocket, code: number, reason: string): void;
  };
}

/** Makes a door for these handlers. */
export function handoff(handlers: HandoffHandlers, options: HandoffOptions = {}): HandoffDoor {
  const { protocols = [] } = options;
  const sessions = new WeakMap<BunSocket, Session>();
  const begin = (who: Who, wire: Wire): Session => {
    if (who.protocol === HANDOFF) return new HeldSession({ ...who, protocol: "" }, handlers, wire);
    if (!who.protocol.startsWith(PREFIX)) return new PlainSession(who, handlers, wire);
    const protocol = who.protocol.slice(PREFIX.length);
    return new HeldSession({ ...who, protocol }, handlers, wire);
  };
  return {
    handleProtocols: (offered) => chosen([...offered], protocols) ?? false,
    connection(socket, { headers }) {
      const id = headers["holdfast-session"];
      const session = begin(
        { id: typeof id === "string" ? id : "", protocol: socket.protocol },
        { send: (data) => socket.send(data), close: (code, why) => socket.close(code, why) },
      );
      socket.on("message", (data, isBinary) => session.receive(isBinary ? data : String(data)));
      socket.on("close", (code, reason) => session.wasClosed(code, String(reason)));
    },
    upgrade({ headers }) {
      const offered = (headers.get("sec-websocket-protocol") ?? "").split(",");
      const protocol = chosen(
        offered.map((name) => name.trim()),
        protocols,
      );
      const data = { id: headers.get("holdfast-session") ?? "", protocol: protocol ?? "" };
      // Without the header Bun takes the first one that was offered.
      return { headers: { "Sec-WebSocket-Protocol": data.protocol }, data };
    },
    websocket: {
      open: (socket) => {
        const wire: Wire = {
          send: (data) => void socket.send(data),
          close: (code, reason) => socket.close(code, reason),
        };
        sessions.set(socket, begin(socket.data as Who, wire));
      },
      message: (socket, data) => sessions.get(socket)?.receive(data),
      close: (socket, code, reason) => sessions.get(socket)?.wasClosed(code, reason),
    },
  };
}

type Session = HeldSession | PlainSession;

/** The subprotocol of a socket, by what was offered; undefined: none. */
function chosen(offered: readonly string[], spoken: readonly string[]): string | undefined {
  const isHeld = offered.includes(HANDOFF);
  const found = spoken.find((name) => offered.includes(isHeld ? PREFIX + name : name));
  if (!isHeld) return found;
  return found === undefined ? HANDOFF : PREFIX + found;
}
