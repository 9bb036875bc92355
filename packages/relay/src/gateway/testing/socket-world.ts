// Owns: one HoldfastSocket, the gateways that hold it one after the other, and the servers behind
// them, in simulated time.

import { SocketEngine, type SocketRules } from "@holdfast/client/socket/engine";
import { controlText, readControl, readOffer, type SocketOffer } from "@holdfast/protocol/socket";
import {
  FIRST_HOME,
  type Frame,
  HeldClient,
  type HomeId,
  type Profile,
  type Released,
} from "@holdfast/rehoming";
import { createManualClock, type SeededRandom } from "@holdfast/testkit";
import { SocketLink } from "../socket-link.ts";
import { packState, unpackState } from "../socket-state.ts";
import { Wire } from "./wire.ts";

export interface SocketWorldOptions {
  readonly profile: Profile;
  readonly random: SeededRandom;
  readonly rules: SocketRules;
  readonly delayMs: () => number;
  /** How a handshake with a gateway ends. */
  readonly opens: () => "well" | "refused" | "hangs";
}

/** One server's side of one socket, in the order of their opening. */
export interface Upstream {
  readonly wire: Wire;
  readonly received: Frame[];
  readonly sent: string[];
}

export class SimGateway {
  takes = true;
  isAlive = true;
  readonly wires = new Set<Wire>();
  readonly links = new Set<{ readonly link: SocketLink; readonly held: HeldClient }>();
}

const MOVE_MS = 10_000;
/** The answer to a handshake. */
const OPENED = Symbol("opened");

export class SocketWorld {
  readonly clock = createManualClock();
  readonly upstreams: Upstream[] = [];
  /** Frames of the client, as servers got them. */
  readonly reached: Frame[] = [];
  readonly gateways: SimGateway[] = [new SimGateway()];
  readonly engine: SocketEngine;
  readonly got: string[] = [];
  readonly told: string[] = [];
  dropped = 0;
  roomTaken = 0;
  readonly #options: SocketWorldOptions;
  #nonce = 1e15;

  constructor(options: SocketWorldOptions) {
    this.#options = options;
    this.engine = new SocketEngine([], options.rules, {
      clock: this.clock,
      random: () => options.random.next(),
      nonce: () => String(this.#nonce++),
      open: (protocols, events) => {
        const wire = new Wire(this.clock, options.delayMs);
        let isGone = false;
        wire.join("client", {
          message: (data) => (data === OPENED ? events.opened() : events.message(data)),
          closed: (code, reason) => {
            if (isGone) return;
            isGone = true;
            events.closed({ code, reason, wasClean: code !== 1006, isError: code === 1006 });
          },
        });
        this.clock.after(options.delayMs(), () => {
          const gateway = this.gateways.find(({ takes, isAlive }) => takes && isAlive);
          const opens = gateway === undefined ? "refused" : options.opens();
          if (opens === "refused" || gateway === undefined) return wire.cut();
          if (opens === "hangs") return;
          wire.send("server", OPENED);
          this.#accept(gateway, wire, protocols);
        });
        return {
          protocol: protocols.at(-1) ?? "",
          send: (data) => wire.send("client", data),
          close: (code, reason) => wire.close("client", code, reason),
        };
      },
      kept: (data) => ({ data, bytes: String(data).length }),
      known: () => "gateway",
      learn: () => {},
      told: {
        opened: () => this.told.push("open"),
        message: (data) => this.got.push(String(data)),
        closed: ({ code }) => this.told.push(`close ${code}`),
        replaced: (how) => this.told.push(how),
      },
    });
  }

  /** A gateway ends, beside another one. */
  drain(): void {
    const gateway = this.gateways.find(({ takes, isAlive }) => takes && isAlive);
    if (gateway === undefined) return;
    gateway.takes = false;
    this.gateways.push(new SimGateway());
    for (const { link, held } of gateway.links) {
      link.move(MOVE_MS);
      this.clock.after(MOVE_MS, () => held.end(1012, "The gateway restarts"));
    }
  }

  /** The process of the newest gateway with clients dies, and another is there. */
  kill(): void {
    const gateway = this.gateways.findLast(({ isAlive, links }) => isAlive && links.size > 0);
    if (gateway === undefined) return;
    gateway.isAlive = false;
    for (const wire of gateway.wires) wire.cut();
    for (const { held } of gateway.links) held.end(1006, "");
    this.gateways.push(new SimGateway());
  }

  /** A socket of the client breaks. */
  cut(): void {
    const wires = this.gateways.flatMap((one) => [...one.wires]).filter(({ isOpen }) => isOpen);
    if (wires.length > 0) this.#options.random.pick(wires).cut();
  }

  /** Gateways move their clients to other servers, too. */
  rebalance(): void {
    for (const { links, isAlive } of this.gateways)
      if (isAlive) for (const { held } of links) held.move("rebalance", 2000);
  }

  /** A server's process dies. */
  killServer(): void {
    const open = this.upstreams.filter(({ wire }) => wire.isOpen);
    if (open.length > 0) this.#options.random.pick(open).wire.cut();
  }

  push(): void {
    for (const [index, { wire, sent }] of this.upstreams.entries()) {
      if (!wire.isOpen) continue;
      sent.push(`s${index}.${sent.length}`);
      wire.send("server", sent.at(-1));
    }
  }

  #accept(gateway: SimGateway, wire: Wire, protocols: readonly string[]): void {
    const { offer } = readOffer(protocols);
    if (offer === undefined) throw new TypeError("the client offers");
    gateway.wires.add(wire);
    const first = this.#upstream();
    const early: (Frame | number)[] = [];
    first.wire.join("client", {
      message: (frame) => early.push(frame as Frame),
      closed: (code) => early.push(code),
    });
    wire.send("server", controlText(offer.name, { type: "hello", windowMs: 100 }));
    if (!offer.isMove) return this.#hold(gateway, { wire, offer, first, early });
    wire.join("server", {
      message: (data) => {
        const state = unpackState(JSON.parse(String(readControl(offer.name, data)?.["state"])));
        if (state === undefined) throw new TypeError(`no state: ${data}`);
        if (gateway.isAlive) this.#hold(gateway, { wire, offer, first, early, former: state });
      },
      closed: () => first.wire.cut(),
    });
  }

  #hold(
    gateway: SimGateway,
    client: {
      readonly wire: Wire;
      readonly offer: SocketOffer;
      readonly first: Upstream;
      /** What it sent, and the code of its close, if it did. */
      readonly early: readonly (Frame | number)[];
      readonly former?: Released;
    },
  ): void {
    const { wire, offer, first, early, former } = client;
    const homes = new Map<HomeId, Wire>([[FIRST_HOME, first.wire]]);
    const held = new HeldClient(
      this.#options.profile,
      {
        clock: this.clock,
        random: this.#options.random,
        client: {
          send: (frame) => wire.send("server", frame),
          close: (code, reason) => wire.close("server", code, reason),
          pause: () => {},
          resume: () => {},
        },
        upstream: {
          open: (id) =>
            void this.clock.after(this.#options.delayMs(), () => {
              const { wire: up } = this.#upstream();
              homes.set(id, up);
              held.homeOpened(id);
              this.#listen(held, id, up);
            }),
          send: (id, frame) => homes.get(id)?.send("client", frame),
          close: (id, code, reason) => homes.get(id)?.close("client", code, reason),
          drop: (id) => {
            homes.get(id)?.join("client", { message: () => {}, closed: () => {} });
            homes.get(id)?.cut();
          },
        },
        room: {
          take: (bytes) => {
            this.roomTaken += bytes;
            return true;
          },
          give: (bytes) => {
            this.roomTaken -= bytes;
          },
        },
        observer: {
          moved: () => {},
          moveFailed: () => {},
          dropped: (frames) => {
            this.dropped += frames;
          },
          ended: () => {},
        },
      },
      undefined,
      former,
    );
    const link = new SocketLink(offer.name, 100, {
      ...{ clock: this.clock, held, settleMsMax: 2000 },
      tell: (text) => wire.send("server", text),
      pack: (released) =>
        JSON.stringify(packState({ profile: "stateless", session: "s", ...released })),
      close: (code, reason) => wire.close("server", code, reason),
      left: () => {},
    });
    const entry = { link, held };
    gateway.links.add(entry);
    wire.join("server", {
      message: (data) => {
        if (gateway.isAlive && !link.takes(data)) held.fromClient(data as Frame);
      },
      closed: (code, reason) => {
        gateway.links.delete(entry);
        link.ended();
        if (gateway.isAlive) held.clientClosed(code, reason);
      },
    });
    held.start();
    this.#listen(held, FIRST_HOME, first.wire);
    for (const one of early)
      if (typeof one === "number") held.homeClosed(FIRST_HOME, one, "");
      else held.fromHome(FIRST_HOME, one);
    // It joined while the gateway was leaving.
    if (!gateway.takes) {
      link.move(MOVE_MS);
      this.clock.after(MOVE_MS, () => held.end(1012, "The gateway restarts"));
    }
  }

  #listen(held: HeldClient, id: HomeId, wire: Wire): void {
    wire.join("client", {
      message: (frame) => held.fromHome(id, frame as Frame),
      closed: (code, reason) => held.homeClosed(id, code, reason),
    });
  }

  #upstream(): Upstream {
    const upstream: Upstream = {
      wire: new Wire(this.clock, this.#options.delayMs),
      received: [],
      sent: [],
    };
    this.upstreams.push(upstream);
    upstream.wire.join("server", {
      message: (frame) => {
        upstream.received.push(frame as Frame);
        this.reached.push(frame as Frame);
      },
      closed: () => {},
    });
    return upstream;
  }
}
