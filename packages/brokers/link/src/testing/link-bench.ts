// Owns: the bench of the link's tests: a broker, a directory and connections that are gone after
// every test.
import { afterEach, beforeEach } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StreamOptions } from "@holdfast/contract";
import {
  type Broker,
  type ChannelListener,
  createMemoryBroker,
  type MemoryBroker,
} from "@holdfast/core";
import type { Payload } from "@holdfast/protocol";
import { systemClock, systemRandom } from "@holdfast/server";
import {
  connectLink,
  createLinkServer,
  type LinkClientLimits,
  type LinkEndpoint,
  type LinkServer,
  type LinkServerEvent,
  type LinkServerLimits,
} from "../index.ts";
import { LinkDialer } from "../link-dialer.ts";
import { LINK_SOCKET_LIMITS, type LinkSocket } from "../link-socket.ts";
import type { LinkMessage } from "../link-wire.ts";

export const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 1000, ttlMs: 60_000 };
export const json = (value: unknown): Payload => ({ kind: "json", text: JSON.stringify(value) });
export const bytes = (size: number): Payload => ({ kind: "bytes", bytes: new Uint8Array(size) });

export function recorder(): ChannelListener & {
  readonly offsets: number[];
  readonly told: string[];
} {
  const [offsets, told]: [number[], string[]] = [[], []];
  return {
    offsets,
    told,
    publication: ({ offset }) => offsets.push(offset),
    removed: (offset) => told.push(`removed ${offset}`),
    presence: ({ kind }) => told.push(kind),
  };
}

export const codeOf = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "none",
    (error: { code: unknown }) => error.code,
  );

export const frame = (body: Uint8Array): Buffer => {
  const header = Buffer.alloc(4);
  header.writeUInt32BE(body.byteLength);
  return Buffer.concat([header, body]);
};

/**
 * Declares what happens before and after each test of a file, and gives its tools. Ends run in
 * reverse order.
 */
export function useBench() {
  let ends: (() => unknown)[] = [];
  let place: { readonly broker: MemoryBroker; readonly directory: string } | undefined;
  const atEnd = (end: () => unknown): void => void ends.push(end);
  const current = (): { readonly broker: MemoryBroker; readonly directory: string } => {
    if (place === undefined) throw new Error("only within a test");
    return place;
  };

  beforeEach(async () => {
    place = {
      broker: createMemoryBroker({ clock: systemClock, random: systemRandom }),
      directory: await mkdtemp(join(tmpdir(), "holdfast-test-")),
    };
  });
  afterEach(async () => {
    for (const end of ends.reverse()) await end();
    ends = [];
    current().broker.close();
    await rm(current().directory, { recursive: true, force: true });
    place = undefined;
  });

  async function serve(
    limits: Partial<LinkServerLimits> = {},
  ): Promise<LinkServer & { readonly events: LinkServerEvent[] }> {
    const events: LinkServerEvent[] = [];
    const server = await createLinkServer({
      broker: current().broker,
      clock: systemClock,
      limits,
      onEvent: (event) => events.push(event),
    });
    atEnd(() => server.close());
    return { ...server, events };
  }

  async function joinAs(
    endpoint: LinkEndpoint,
    nodeId: string,
    limits: Partial<LinkClientLimits> = {},
  ): Promise<Broker> {
    const node = await connectLink({
      endpoint,
      nodeId,
      clock: systemClock,
      random: systemRandom,
      limits: { backoffMs: 2, backoffMsMax: 20, ...limits },
    });
    atEnd(() => node.close());
    return node;
  }

  /** A connection that speaks bytes: `closed` resolves when the server ends it. */
  async function stranger({
    address,
  }: LinkEndpoint): Promise<{ readonly socket: Socket; readonly closed: Promise<unknown> }> {
    const socket = connect(
      address.kind === "unix" ? { path: address.path } : { host: address.host, port: address.port },
    );
    socket.on("error", () => {});
    socket.resume();
    atEnd(() => socket.destroy());
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await new Promise((resolve) => socket.once("connect", resolve));
    return { socket, closed };
  }

  /** A node that has shown the secret and then says whatever the test wants. */
  function rawNode(endpoint: LinkEndpoint): Promise<{
    readonly link: LinkSocket;
    readonly heard: LinkMessage[];
    readonly lost: Promise<string>;
  }> {
    return new Promise((resolve) => {
      const heard: LinkMessage[] = [];
      let tellLost: (reason: string) => void = () => {};
      const lost = new Promise<string>((tell) => {
        tellLost = tell;
      });
      const dialer: LinkDialer = new LinkDialer({
        endpoint,
        nodeId: "raw",
        clock: systemClock,
        random: systemRandom,
        limits: LINK_SOCKET_LIMITS,
        connectMs: 2_000,
        backoffMs: 60_000,
        backoffMsMax: 60_000,
        handlers: {
          welcomed: (link) => {
            dialer.settled();
            resolve({ link, heard, lost });
          },
          message: (message) => heard.push(message),
          lost: tellLost,
        },
      });
      atEnd(() => dialer.stop());
      dialer.dial();
    });
  }

  return { atEnd, current, serve, joinAs, stranger, rawNode };
}
