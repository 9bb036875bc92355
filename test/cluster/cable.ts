// Owns: a TCP connection to the API server that tests cut, silence and refuse.
import type { Socket, TCPSocketListener } from "bun";

export interface Cable {
  readonly port: number;
  /** Ends every connection; new ones are carried. */
  cut(): void;
  /** Carries nothing any more, on connections that stay open; new ones are silent as well. */
  silence(): void;
  /** Ends every connection and each new one. */
  refuse(): void;
  mend(): void;
  stop(): void;
}

interface End {
  other: Socket<End> | undefined;
  waiting: Uint8Array[];
}

/** Carries bytes to a server until it is told otherwise. */
export function cableTo(server: URL): Cable {
  let state: "carries" | "silent" | "refuses" = "carries";
  const open = new Set<Socket<End>>();
  const cut = () => {
    for (const socket of open) socket.terminate();
  };
  const carry = (socket: Socket<End>, bytes: Uint8Array): void => {
    if (state === "silent") return;
    const { other, waiting } = socket.data;
    if (other === undefined) waiting.push(bytes.slice());
    else write(other, bytes);
  };
  const ends = {
    data: carry,
    drain: (socket: Socket<End>) => {
      for (const bytes of socket.data.waiting.splice(0)) write(socket, bytes);
    },
    close: (socket: Socket<End>) => {
      open.delete(socket);
      socket.data.other?.end();
    },
    error: () => {},
  };
  const listener: TCPSocketListener<End> = Bun.listen<End>({
    ...{ hostname: "127.0.0.1", port: 0 },
    socket: {
      ...ends,
      open: (socket) => {
        socket.data = { other: undefined, waiting: [] };
        open.add(socket);
        if (state === "refuses") socket.terminate();
        else void join(socket);
      },
    },
  });
  const join = async (socket: Socket<End>): Promise<void> => {
    const other = await Bun.connect<End>({
      ...{ hostname: server.hostname, port: Number(server.port) },
      data: { other: socket, waiting: [] },
      socket: ends,
    });
    open.add(other);
    const early = socket.data.waiting.splice(0);
    socket.data.other = other;
    for (const bytes of early) write(other, bytes);
  };
  return {
    port: listener.port,
    cut,
    silence: () => {
      state = "silent";
    },
    refuse: () => {
      state = "refuses";
      cut();
    },
    mend: () => {
      // What was lost on the way cannot be carried later.
      if (state === "silent") cut();
      state = "carries";
    },
    stop: () => {
      cut();
      listener.stop(true);
    },
  };
}

/** What the socket does not take waits for its drain. */
function write(socket: Socket<End>, bytes: Uint8Array): void {
  const { waiting } = socket.data;
  const taken = waiting.length > 0 ? 0 : Math.max(0, socket.write(bytes));
  if (taken < bytes.byteLength) waiting.push(bytes.slice(taken));
}
