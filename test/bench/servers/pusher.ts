// Owns: the server's side of the Pusher Channels protocol (version 7) as far as a load test needs
// it: private channels with signatures, client events, pings. No soketi:
// that its real client library gets along with it is checked beside the driver.
import { createHmac } from "node:crypto";

interface Event {
  readonly event: string;
  readonly channel?: string;
  readonly data?: { readonly channel?: string; readonly auth?: string };
}

export function startPusherServer({
  key,
  secret,
}: {
  readonly key: string;
  readonly secret: string;
}) {
  const members = new Map<string, Set<Bun.ServerWebSocket<{ id: string }>>>();
  let count = 0;
  const server = Bun.serve<{ id: string }>({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) => {
      const url = new URL(request.url);
      const isOurs = url.pathname === `/app/${key}` && url.searchParams.get("protocol") === "7";
      return isOurs && self.upgrade(request, { data: { id: `1.${++count}` } })
        ? undefined
        : new Response("", { status: 404 });
    },
    websocket: {
      open: (socket) => {
        const data = JSON.stringify({ socket_id: socket.data.id, activity_timeout: 120 });
        socket.send(JSON.stringify({ event: "pusher:connection_established", data }));
      },
      close: (socket) => {
        for (const of of members.values()) of.delete(socket);
      },
      message: (socket, message) => handle(socket, String(message)),
    },
  });
  function handle(socket: Bun.ServerWebSocket<{ id: string }>, text: string): void {
    const { event, channel = "", data } = JSON.parse(text) as Event;
    if (event === "pusher:ping") socket.send(JSON.stringify({ event: "pusher:pong", data: {} }));
    else if (event === "pusher:subscribe") {
      const name = data?.channel ?? "";
      const signature = createHmac("sha256", secret)
        .update(`${socket.data.id}:${name}`)
        .digest("hex");
      if (data?.auth !== `${key}:${signature}`) {
        socket.send(
          JSON.stringify({ event: "pusher:error", data: { code: 4009, message: "unauthorized" } }),
        );
        return;
      }
      members.set(name, (members.get(name) ?? new Set()).add(socket));
      socket.send(
        JSON.stringify({
          event: "pusher_internal:subscription_succeeded",
          channel: name,
          data: "{}",
        }),
      );
    } else if (event.startsWith("client-") && members.get(channel)?.has(socket)) {
      for (const member of members.get(channel) ?? []) if (member !== socket) member.send(text);
    }
  }
  return {
    url: `ws://127.0.0.1:${server.port}/app/${key}?protocol=7&client=test&version=1`,
    port: server.port,
    stop: () => server.stop(true),
  };
}
