// Owns: Holdfast's own client as the proof drives it: the SDK as applications have it, with its
// sockets counted.
import { createHmac } from "node:crypto";
import { Holdfast, HoldfastError } from "@holdfast/client";
import { msgpack } from "@holdfast/client/msgpack";
import { CODES } from "@holdfast/protocol";
import type { PublishOutcome } from "../publication.ts";
import type { Rival, RivalClient, RivalOptions } from "./rival.ts";

/**
 * Secret with which clients of a proof sign their tokens and nodes check them. It protects nothing.
 */
export const TOKEN_SECRET = "what signs the tokens of a proof's clients";
const TRY_LATER = CODES.try_later.close;
const TOKEN_TTL_S = 3600;
const PUBLISH_TIMEOUT_MS = 20_000;

export const holdfastRival: Rival = {
  name: "holdfast",
  connect: (options) => new HoldfastRival(options),
};

class HoldfastRival implements RivalClient {
  readonly #client: Holdfast;

  constructor({ url, user, codec, onConnected, onAttempt, onRefused }: RivalOptions) {
    const counting = function (this: unknown, target: string, protocols: string) {
      onAttempt();
      const socket = new WebSocket(target, protocols);
      socket.addEventListener("close", ({ code }) => code === TRY_LATER && onRefused?.());
      return socket;
    } as unknown as typeof WebSocket;
    this.#client = new Holdfast(url, {
      ...(codec === "msgpack" ? { codec: msgpack } : {}),
      WebSocket: counting as never,
      getToken: () => tokenOf(user),
      publishTimeoutMs: PUBLISH_TIMEOUT_MS,
    });
    this.#client.on("state", ({ state }) => onConnected(state === "connected"));
    // A failed attempt is counted by its socket; what it led to is seen in states and streams.
    this.#client.on("error", () => {});
  }

  get connected(): boolean {
    return this.#client.state === "connected";
  }
  get reconnects(): number {
    return this.#client.stats().reconnects;
  }
  get moves(): number {
    return this.#client.stats().migrations;
  }
  get undeclared(): number {
    return this.#client.stats().undeclared;
  }
  get member(): string | undefined {
    return this.#client.session;
  }

  async subscribe(
    ...[channel, , handlers]: Parameters<RivalClient["subscribe"]>
  ): ReturnType<RivalClient["subscribe"]> {
    const subscription = this.#client
      .channel(channel)
      .subscribe(({ data, offset, epoch, key, timeMs }) =>
        handlers.message({
          data,
          position: { epoch, offset },
          takenMs: timeMs,
          ...(key === undefined ? {} : { key }),
        }),
      );
    subscription.on("gap", handlers.gap);
    subscription.on("error", (error) => error.retry === "never" && handlers.failed(error.code));
    return subscription.ready;
  }

  async publish(channel: string, data: unknown, key: string | undefined): Promise<PublishOutcome> {
    try {
      const { epoch, offset } = await this.#client
        .channel(channel)
        .publish(data, key === undefined ? {} : { key });
      return { kind: "acknowledged", position: { epoch, offset } };
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      return { kind: error.retry === "never" ? "refused" : "unknown", code: error.code };
    }
  }

  enter = (channel: string): Promise<void> =>
    this.#client.channel(channel).presence.enter({ from: "the proof" });

  watch = (
    channel: string,
    changed: (changes: { joined: string[]; left: string[] }) => void,
  ): void => {
    this.#client.channel(channel).presence.on("change", ({ join, leave }) => {
      changed({ joined: join.map(({ id }) => id), left: leave.map(({ id }) => id) });
    });
  };

  close(): Promise<void> {
    return this.#client.close();
  }
}

/** A JWT signed with HS256, good for an hour. */
export function tokenOf(user: string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const nowS = Math.floor(Date.now() / 1000);
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, iat: nowS, exp: nowS + TOKEN_TTL_S })}`;
  return `${signed}.${createHmac("sha256", TOKEN_SECRET).update(signed).digest("base64url")}`;
}
