// Owns: a bare Bun server that follows the conventions of the driver `ws`, as a process of its own
// or inside of a test; on request it misbehaves.

/** What the server does wrong on purpose, to one in so many publications. */
export interface Faults {
  readonly loses?: number;
  readonly doubles?: number;
  /** Holds one back until the next. */
  readonly swaps?: number;
}

export interface PlainServer {
  readonly url: string;
  stop(): void;
}

export function startPlainServer(faults: Faults = {}): PlainServer {
  let count = 0;
  let held: { readonly channel: string; readonly payload: string } | undefined;
  const isTurn = (every: number | undefined) => every !== undefined && count % every === 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("WebSocket only", { status: 426 }),
    websocket: {
      perMessageDeflate: false,
      message: (socket, message) => {
        const text = String(message);
        const [verb = "", channel = ""] = text.split(" ", 2);
        if (verb === "sub") {
          socket.subscribe(channel);
          socket.send(`ok ${channel}`);
        } else if (verb === "pub") publish(channel, text.slice(verb.length + channel.length + 2));
        else socket.send(text);
      },
    },
  });
  const out = (channel: string, payload: string) => server.publish(channel, payload, false);
  function publish(channel: string, payload: string): void {
    count++;
    if (isTurn(faults.loses)) return;
    if (isTurn(faults.swaps)) {
      held = { channel, payload };
      return;
    }
    out(channel, payload);
    if (isTurn(faults.doubles)) out(channel, payload);
    if (held !== undefined) out(held.channel, held.payload);
    held = undefined;
  }
  return { url: `ws://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}
