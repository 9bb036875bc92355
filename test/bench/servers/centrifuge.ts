// Owns: the server's side of the Centrifuge protocol (version 2, JSON) as far as a load test needs
// it: connect, subscribe with recovery, publish, ping. No Centrifugo:
// that its real client library gets along with it is checked beside the driver.
interface Channel {
  offset: number;
  readonly kept: { readonly offset: number; readonly data: unknown }[];
  readonly members: Set<Bun.ServerWebSocket<undefined>>;
}

interface Command {
  readonly id?: number;
  readonly connect?: { readonly token?: string };
  readonly subscribe?: {
    readonly channel: string;
    readonly recover?: boolean;
    readonly offset?: number;
    readonly epoch?: string;
  };
  readonly publish?: { readonly channel: string; readonly data: unknown };
  readonly ping?: object;
}

const EPOCH = "test";

export function startCentrifugeServer(options: { readonly token?: string } = {}) {
  const channels = new Map<string, Channel>();
  const channelOf = (name: string): Channel => {
    const known = channels.get(name) ?? { offset: 0, kept: [], members: new Set() };
    channels.set(name, known);
    return known;
  };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      new URL(request.url).pathname === "/connection/websocket" && self.upgrade(request)
        ? undefined
        : new Response("", { status: 404 }),
    websocket: {
      close: (socket) => {
        for (const { members } of channels.values()) members.delete(socket);
      },
      message: (socket, message) => {
        // Commands and replies of one message are separated by line feeds.
        const replies = String(message)
          .split("\n")
          .filter((line) => line !== "")
          .flatMap((line) => answer(socket, JSON.parse(line) as Command));
        if (replies.length > 0) socket.send(replies.join("\n"));
      },
    },
  });
  function answer(
    socket: Bun.ServerWebSocket<undefined>,
    { id, connect, subscribe, publish, ping }: Command,
  ): string[] {
    if (id === undefined) return [];
    const reply = (body: object) => [JSON.stringify({ id, ...body })];
    if (connect !== undefined)
      return connect.token === options.token
        ? reply({ connect: { client: crypto.randomUUID(), version: "test", ping: 25, pong: true } })
        : reply({ error: { code: 101, message: "unauthorized" } });
    if (subscribe !== undefined) {
      const { offset, kept, members } = channelOf(subscribe.channel);
      members.add(socket);
      const missed = kept.filter((publication) => publication.offset > (subscribe.offset ?? 0));
      const recovery =
        subscribe.recover === true
          ? { was_recovering: true, recovered: subscribe.epoch === EPOCH, publications: missed }
          : {};
      return reply({
        subscribe: { recoverable: true, positioned: true, epoch: EPOCH, offset, ...recovery },
      });
    }
    if (publish !== undefined) {
      const channel = channelOf(publish.channel);
      const publication = { data: publish.data, offset: ++channel.offset };
      channel.kept.push(publication);
      const push = JSON.stringify({ push: { channel: publish.channel, pub: publication } });
      for (const member of channel.members) member.send(push);
      return reply({ publish: {} });
    }
    return ping === undefined
      ? reply({ error: { code: 108, message: "not available" } })
      : reply({ ping: {} });
  }
  return { url: `ws://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}
