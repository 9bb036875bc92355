// Owns: Socket.IO's own client doing the same work: rooms for channels, acknowledged emits for
// publishes, connection state recovery, and subscribing again if that fails.
import { io, type Socket } from "socket.io-client";
import type { PublishOutcome } from "../publication.ts";
import type { Rival, RivalClient, RivalOptions, StreamHandlers } from "./rival.ts";

const PUBLISH_TIMEOUT_MS = 20_000;
const SUBSCRIBE_TIMEOUT_MS = 20_000;

export const socketIoRival: Rival = {
  name: "socketio",
  connect: (options) => new SocketIoRival(options),
};

class SocketIoRival implements RivalClient {
  readonly #socket: Socket;
  readonly #streams = new Map<string, StreamHandlers>();
  #connections = 0;
  readonly moves = 0;
  readonly undeclared = 0;
  readonly member = undefined;

  constructor({ url, onConnected, onAttempt }: RivalOptions) {
    const { origin } = new URL(url.replace(/^ws/, "http"));
    // Its defaults for coming back: after 0.5 to 1.5 s, then later.
    this.#socket = io(origin, { transports: ["websocket"], forceNew: true });
    onAttempt();
    this.#socket.io.on("reconnect_attempt", onAttempt);
    this.#socket.on("connect", () => {
      this.#connections += 1;
      onConnected(true);
      if (this.#connections > 1 && !this.#socket.recovered)
        for (const channel of this.#streams.keys())
          this.#socket.emit("subscribe", channel, () => {});
    });
    this.#socket.on("disconnect", () => onConnected(false));
    this.#socket.on("message", (channel: string, data: unknown) =>
      this.#streams.get(channel)?.message({ data }),
    );
  }

  get connected(): boolean {
    return this.#socket.connected;
  }
  get reconnects(): number {
    return Math.max(0, this.#connections - 1);
  }

  async subscribe(
    ...[channel, , handlers]: Parameters<RivalClient["subscribe"]>
  ): Promise<undefined> {
    this.#streams.set(channel, handlers);
    await this.#socket.timeout(SUBSCRIBE_TIMEOUT_MS).emitWithAck("subscribe", channel);
  }

  async publish(channel: string, data: unknown): Promise<PublishOutcome> {
    try {
      await this.#socket.timeout(PUBLISH_TIMEOUT_MS).emitWithAck("publish", channel, data);
      return { kind: "acknowledged" };
    } catch {
      return { kind: "unknown", code: "timeout" };
    }
  }

  async close(): Promise<void> {
    this.#socket.disconnect();
  }
}
