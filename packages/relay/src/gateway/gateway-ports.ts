// Owns: what the gateway's listener needs, and what it tells.
import type { HeldLimits, HeldObserver, Room } from "@holdfast/rehoming";
import type { TLSOptions } from "bun";
import type { Route } from "./route.ts";
import type { ClientFacts, PeerFacts } from "./upstream-headers.ts";

/** Why an upgrade request gets no socket. */
export interface Turned {
  readonly status: 429 | 503;
  readonly retryAfterSeconds: number;
  readonly text: string;
}

/** What is counted besides what held clients tell. Each member is optional. */
export interface GatewayCounts {
  /** A client was taken. */
  held(route: Route): void;
  /** Its socket is closed. */
  closed(route: Route, code: number, by: "client" | "gateway"): void;
  /** A request that asked for no socket was answered. */
  answered(route: Route, status: number): void;
  /** A client went to another gateway, and one came from another. */
  movedAway(route: Route): void;
  movedHere(route: Route): void;
  upstreamOpened(route: Route): void;
  /** `text`: for people. Nothing of it is the client's. */
  upstreamFailed(
    route: Route,
    why: "timeout" | "refused" | "tls" | "error",
    what: { readonly address: string; readonly text: string },
  ): void;
  /** Any answer that is no socket, for a log. */
  told(
    route: Route,
    answer: { readonly status: number; readonly isUpgrade: boolean; readonly requestId: string },
  ): void;
  /** A throw in a handler: a bug. */
  failed(where: string, error: unknown): void;
}

/** Members that are values are read anew for each request, so that they may change. */
export interface GatewayOptions {
  readonly host: string;
  readonly port: number;
  readonly tls?: TLSOptions;
  readonly routes: readonly Route[];
  readonly limits?: HeldLimits;
  /** Of all clients together. */
  readonly room: Room;
  /** Instead of `room`: one for each client. */
  readonly roomOf?: () => Room;
  /** Most held clients; further upgrades are answered with 503. */
  readonly clientsMax: number;
  /** Most of one address; further upgrades are answered with 429. Default: no limit. */
  readonly clientsPerAddressMax?: number;
  /** Largest message of any route. Default: the largest of the routes at the start. */
  readonly messageBytesMax?: number;
  /** Largest body of a request that asks for no socket. */
  readonly requestBytesMax?: number;
  /** Silence after which a client is cut. Pings are sent before. */
  readonly idleSeconds?: number;
  /** Silence after which a connection without a whole request is cut. */
  readonly handshakeSeconds?: number;
  /** Whether `X-Forwarded-*` of requests from this address are believed. */
  readonly isTrusted?: (address: string) => boolean;
  /** What is known of a client. Default: its address, and what `isTrusted` says. */
  readonly clientOf?: (peer: string, request: Request) => PeerFacts;
  /** Whether another handshake of this client may begin. Default: yes. */
  readonly admit?: (client: ClientFacts, route: Route) => Turned | undefined;
  /**
   * Keys that gateways share: what clients carry between them is sealed with the first, and opened
   * with any. Default: none, and it is not sealed.
   */
  readonly socketKeys?: readonly string[];
  /** Within which clients should come back if this gateway is lost: told to those who listen. */
  readonly returnWindowMs?: () => number;
  /** Hears of the clients of one route, instead of `observer`. */
  readonly observerOf?: (route: Route) => HeldObserver;
  readonly observer: HeldObserver & {
    /** An upgrade request that got no socket, by status. No route: none was found. */
    refused(status: number, route?: Route): void;
  } & Partial<GatewayCounts>;
}
