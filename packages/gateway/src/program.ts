// Owns: one gateway: its routes, its listener, its drains, and how it ends.
import { hostname } from "node:os";
import type { HeldLimits, HeldObserver } from "@holdfast/rehoming";
import {
  Balancing,
  Departures,
  Gateway,
  type HeldSocket,
  type PeerFacts,
  type Route,
  sayGoodbye,
  type Turned,
} from "@holdfast/relay/gateway";
import { AdminListener } from "./admin-listener.ts";
import type { ControlKeys } from "./control/ports.ts";
import type { DiscoveryNeeds } from "./discovery/discovery.ts";
import type { GatewayEvents } from "./gateway-events.ts";
import { HandshakeShare } from "./handshake-share.ts";
import { LiveRoutes } from "./live-routes.ts";
import { createGatewayMetrics, type GatewayMetrics } from "./metrics/metrics.ts";
import type { GatewayConfig } from "./options/gateway-options.ts";
import { returnWindowMs } from "./return-window.ts";
import { sleep } from "./sleep.ts";
import { GatewayStartError } from "./start-error.ts";
import { listenerIdentity } from "./tls/listener-tls.ts";
import { type Identity, TlsFileError } from "./tls/tls-files.ts";
import { WaitingRoom } from "./waiting-room.ts";

export interface GatewayNeeds extends DiscoveryNeeds {
  readonly events: GatewayEvents;
  readonly keys: ControlKeys;
  /** Who a request comes from, by the proxies that the configuration trusts. */
  readonly clientReader: (
    config: Pick<GatewayConfig, "trustedProxies" | "forwardedHeader">,
  ) => (peer: string, headers: Headers) => PeerFacts;
}

const RESTARTS = { code: 1012, reason: "The gateway restarts" } as const;
const ROUTE_GONE = { code: 1012, reason: "The route is gone" } as const;
/** A start does not wait longer for a service of which nothing is heard. */
const START_MS_MAX = 30_000;
const TROUBLE_LOOK_MS = 1000;
/** How often files of TLS are read again. */
const FILES_LOOK_MS = 10_000;
const RETRY_AFTER_SECONDS = 2;

export class GatewayProgram {
  readonly #needs: GatewayNeeds;
  readonly #metrics: GatewayMetrics;
  readonly #room: WaitingRoom;
  readonly #share: HandshakeShare;
  readonly #routes: LiveRoutes;
  readonly #gateway: Gateway;
  readonly #departures: Departures;
  readonly #balancing: Balancing;
  readonly #admin: AdminListener;
  readonly #ends = new AbortController();
  readonly #beganMs = performance.now();
  #config: GatewayConfig;
  #clientOf: (peer: string, headers: Headers) => PeerFacts;
  #state: "running" | "draining" | "leaving" = "running";
  /** It was ready once: afterwards only its own end takes that back. */
  #wasWhole = false;
  #isRefused = false;
  readonly #identity: Identity | undefined;
  readonly #lookTimer: ReturnType<typeof setInterval>;
  #filesTimer: ReturnType<typeof setInterval> | undefined;
  readonly #windowTimer: ReturnType<typeof setInterval>;

  /** Throws GatewayStartError if a port cannot be had, and TlsFileError if a file cannot. */
  constructor(config: GatewayConfig, needs: GatewayNeeds) {
    this.#config = config;
    this.#needs = needs;
    this.#clientOf = needs.clientReader(config);
    this.#metrics = createGatewayMetrics((where, error) => needs.events.bug({ where, error }));
    this.#room = new WaitingRoom(() => this.#config.limits.waitingBytesTotalMax);
    this.#share = new HandshakeShare(config.admission.handshakesPerSecond);
    this.#routes = new LiveRoutes({
      ...{ kube: needs.kube, events: needs.events },
      zone: () => this.#config.zone,
      checked: this.#metrics.checked,
      // The first ones are found before there is a gateway.
      came: (route) => this.#gateway?.hurry(route, this.#config.moves.handshakesPerSecond),
    });
    this.#identity = listenerIdentity(config);
    this.#setRoutes(config);
    try {
      this.#gateway = this.#listen();
    } catch (error) {
      this.#routes.end();
      throw new GatewayStartError(`Cannot listen on port ${config.port} (port)`, error);
    }
    try {
      this.#admin = new AdminListener(config.admin, this.#adminNeeds());
    } catch (error) {
      this.#routes.end();
      this.#gateway.end();
      throw new GatewayStartError(`Cannot listen on port ${config.admin.port} (admin.port)`, error);
    }
    this.#departures = this.#empty();
    this.#departures.start();
    this.#balancing = this.#even();
    this.#balancing.start();
    this.#lookTimer = setInterval(() => this.#routes.tellTrouble(), TROUBLE_LOOK_MS);
    if (config.watchFile) this.#filesTimer = setInterval(() => this.rereadFiles(), FILES_LOOK_MS);
    this.#windowTimer = setInterval(() => this.#gateway.tellWindow(), WINDOW_LOOK_MS);
    needs.events.listening({ port: this.port, adminPort: this.adminPort });
  }

  get port(): number {
    return this.#gateway.port;
  }

  get adminPort(): number {
    return this.#admin.port;
  }

  info(): { readonly connections: number } {
    return { connections: this.#gateway.clientCount };
  }

  /**
   * Live options apply from now on. No socket is touched, but those of routes that are gone. Why
   * not, if a file that a route names cannot be used: then nothing has changed.
   */
  configure(config: GatewayConfig): string | undefined {
    try {
      this.#setRoutes(config);
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error;
      this.refused();
      return error.message;
    }
    this.#config = config;
    this.#isRefused = false;
    this.#clientOf = this.#needs.clientReader(config);
    this.#share.setRate(config.admission.handshakesPerSecond);
    this.#admin.setKeys(config.apiKeys);
    this.#metrics.reloaded("taken");
    return undefined;
  }

  /** Certificates may be others, although the configuration names the same files. */
  rereadFiles(): void {
    this.#routes.rereadTls();
  }

  /** A configuration that was read was no good: the one before stays. */
  refused(): void {
    this.#isRefused = true;
    this.#metrics.reloaded("refused");
  }

  /** Resolves when every client has left, or the time is over. */
  async drain({
    preDelayMs,
    windowMs,
  }: {
    readonly preDelayMs: number;
    readonly windowMs: number;
  }): Promise<void> {
    if (this.#state !== "running") return;
    this.#state = "draining";
    await sleep(preDelayMs, this.#ends.signal);
    this.#state = "leaving";
    this.#departures.stop();
    this.#balancing.stop();
    const untilMs = performance.now() + windowMs;
    const { perSecondMax } = this.#config.moves;
    const { moveMs: moveMsMax } = this.#config.drain;
    const { handshakesPerSecond } = this.#config.admission;
    // Clients whose handshake was under way come later than the others.
    while (!this.#ends.signal.aborted && this.#gateway.clientCount > 0) {
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return;
      const pace = { windowMs: leftMs, handshakesPerSecond, perSecondMax };
      const terms = { ...pace, moveMsMax, ...RESTARTS };
      const staying = this.#gateway.clients().filter(({ isLeaving }) => !isLeaving);
      await sayGoodbye(staying, terms, this.#ends.signal);
      await sleep(CLOSE_LOOK_MS, this.#ends.signal);
    }
  }

  /** Ends at once. How many clients were cut. */
  async stop(): Promise<number> {
    const { clientCount: cut } = this.#gateway;
    this.#ends.abort();
    clearInterval(this.#lookTimer);
    clearInterval(this.#filesTimer);
    clearInterval(this.#windowTimer);
    this.#departures.stop();
    this.#balancing.stop();
    this.#routes.end();
    this.#gateway.end();
    await this.#admin.stop();
    return cut;
  }

  #listen(): Gateway {
    const program = this;
    const { counts } = this.#metrics;
    const { host, port, limits } = this.#config;
    const identity = this.#identity;
    // All clients of a route share one.
    const observers = new WeakMap<Route, HeldObserver>();
    const noClient = { moved() {}, moveFailed() {}, dropped() {}, ended() {} };
    return new Gateway({
      ...{ host, port },
      ...(identity === undefined ? {} : { tls: { cert: identity.cert, key: identity.key } }),
      messageBytesMax: limits.messageBytesMax,
      requestBytesMax: limits.requestBytesMax,
      idleSeconds: Math.ceil(limits.idleMs / 1000),
      handshakeSeconds: Math.ceil(limits.handshakeMs / 1000),
      get routes() {
        return program.#routes.all;
      },
      get limits() {
        return heldLimits(program.#config);
      },
      get clientsMax() {
        return program.#config.limits.clientsMax;
      },
      get clientsPerAddressMax() {
        return program.#config.limits.clientsPerAddressMax;
      },
      get socketKeys() {
        return program.#config.sockets.keys;
      },
      room: this.#room.one(),
      roomOf: () => this.#room.one(),
      clientOf: (peer, request) => this.#clientOf(peer, request.headers),
      admit: ({ address }) => this.#admit(address),
      returnWindowMs: () => returnWindowMs(this.#gateway.clientCount, this.#config.admission),
      observerOf: (route) => {
        const known = observers.get(route) ?? this.#observerOf(route);
        observers.set(route, known);
        return known;
      },
      observer: {
        ...noClient,
        ...counts,
        upstreamFailed: (route, why, what) => {
          counts.upstreamFailed(route, why, what);
          const { address, text } = what;
          this.#needs.events.upstreamFailed({ route: route.name, address, why: text });
        },
        told: (route, answer) => this.#needs.events.answered({ route: route.name, ...answer }),
      },
    });
  }

  #observerOf(route: Route): HeldObserver {
    const observer = this.#metrics.observerOf(route);
    return {
      ...observer,
      moveFailed: (cause, why) => {
        observer.moveFailed(cause, why);
        this.#needs.events.moveFailed({ route: route.name, cause, why });
      },
    };
  }

  #admit(address: string): Turned | undefined {
    if (this.#state === "leaving")
      return {
        status: 503,
        retryAfterSeconds: RETRY_AFTER_SECONDS,
        text: "This gateway ends. Connect again.\n",
      };
    return this.#share.ask(address);
  }

  #empty(): Departures {
    const program = this;
    return new Departures({
      clients: (route, address) => this.#gateway.clients(route, address),
      get routes() {
        return program.#routes.all;
      },
      get windowMs() {
        return program.#config.moves.windowMs;
      },
      get socketsPerSecond() {
        return program.#config.moves.handshakesPerSecond;
      },
      get movesPerSecondMax() {
        return program.#config.moves.perSecondMax;
      },
    });
  }

  #even(): Balancing {
    const program = this;
    return new Balancing({
      clients: (route) => this.#gateway.clients(route),
      get routes() {
        return program.#routes.all;
      },
      get perSecondMax() {
        return program.#config.moves.rebalancePerSecond;
      },
    });
  }

  #setRoutes({ routes, moves, admission }: GatewayConfig): void {
    const { added, removed } = this.#routes.set(routes);
    for (const { name } of added) this.#metrics.begin(name);
    for (const route of removed) {
      const clients = this.#gateway.clients(route);
      const { windowMs, perSecondMax } = moves;
      const { handshakesPerSecond } = admission;
      const terms = { windowMs, handshakesPerSecond, perSecondMax, ...ROUTE_GONE };
      void sayGoodbye(clients, terms, this.#ends.signal).then(() => {
        // A route of the same name may be there again.
        if (this.#routes.find(route.name) === undefined) this.#metrics.forget(route.name);
        this.#needs.events.routeEmptied({ route: route.name, clients: clients.length });
      });
    }
  }

  #adminNeeds() {
    return {
      name: hostname(),
      keys: this.#needs.keys,
      apiKeys: this.#config.apiKeys,
      metrics: this.#metrics,
      events: this.#needs.events,
      readiness: () => this.readiness(),
      figures: () => this.#figures(),
      routes: () => this.#routes.all,
      clients: (): readonly HeldSocket[] => this.#gateway.clients(),
    };
  }

  /** Whether new clients should come here, and why not. */
  readiness(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    if (this.#state !== "running") return { ready: false, reasons: ["the gateway ends"] };
    if (this.#wasWhole) return { ready: true, reasons: [] };
    const { all } = this.#routes;
    const mayWait = performance.now() - this.#beganMs < START_MS_MAX;
    const silent = all.filter(({ hasSpoken }) => !hasSpoken);
    const reasons = [
      ...(mayWait ? silent.map(({ name }) => `nothing is known about the service of ${name}`) : []),
      ...(all.some(({ endpoints }) => endpoints.taking().length > 0)
        ? []
        : ["no route has an endpoint"]),
    ];
    this.#wasWhole = reasons.length === 0;
    return { ready: this.#wasWhole, reasons };
  }

  #figures() {
    const { limits } = this.#config;
    const nowMs = performance.now();
    const counts = new Map<unknown, { clients: number; moving: number }>();
    for (const { route, held } of this.#gateway.clients()) {
      const count = counts.get(route) ?? { clients: 0, moving: 0 };
      counts.set(route, count);
      count.clients += 1;
      if (held.isMoving) count.moving += 1;
    }
    return {
      isReady: this.readiness().ready,
      isDraining: this.#state !== "running",
      isRefused: this.#isRefused,
      clientsMax: limits.clientsMax,
      waitingBytes: this.#room.taken,
      waitingBytesMax: limits.waitingBytesTotalMax,
      certificateEndsMs: this.#identity?.endsMs,
      routes: this.#routes.all.map((route) => {
        return {
          name: route.name,
          ...(counts.get(route) ?? { clients: 0, moving: 0 }),
          hasTrouble: route.trouble !== undefined,
          hasTlsTrouble: route.hasTlsTrouble,
          certificateEndsMs: route.certificateEndsMs,
          traffic: route.traffic,
          endpoints: route.endpoints.list(nowMs),
        };
      }),
    };
  }
}

const CLOSE_LOOK_MS = 50;
const WINDOW_LOOK_MS = 10_000;

function heldLimits({ limits, homeless, moves }: GatewayConfig): HeldLimits {
  return {
    waitingBytesMax: limits.waitingBytesMax,
    homelessMsMax: homeless.msMax,
    lostMax: homeless.lostMax,
    stableMs: homeless.stableMs,
    settleMsMax: moves.settleMs,
    lastFramesMsMax: moves.lastFramesMs,
    attachMsMax: moves.attachMs,
  };
}
