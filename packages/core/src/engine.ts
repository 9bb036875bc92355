// Owns: a whole node but for its sockets: what comes in from connections, the parts that answer,
// the sweep that keeps time.
import { type ClientFrame, type CodecName, type Encoded, fitsUtf8 } from "@holdfast/protocol";
import { Flow } from "./channel/backpressure.ts";
import { type HubPorts, Hubs, Reads } from "./channel/hubs.ts";
import { Operator } from "./control/commands.ts";
import type { DrainProgress, NodeControl, NodeInfo, NodeState } from "./control/control.ts";
import { Draining } from "./drain/draining.ts";
import { FleetMember, type Vitals } from "./fleet/fleet-member.ts";
import type { NodeParts, NodePorts } from "./parts.ts";
import type { Link } from "./ports.ts";
import { PresenceKeeper } from "./presence/presence-keeper.ts";
import { Connection, Flusher, type ReadItem } from "./session/connection.ts";
import { Handshake } from "./session/handshake.ts";
import { Rates } from "./session/rates.ts";
import { Requests } from "./session/requests.ts";
import { Revocations } from "./session/revocations.ts";
import { answerPing, refresh } from "./session/session-requests.ts";
import { Sessions } from "./session/sessions.ts";
import type { NodeSettings } from "./settings.ts";

/** What a transport tells the engine of its connections, besides what operators ask of it. */
export interface NodeEngine extends NodeControl {
  readonly state: NodeState;
  /**
   * Makes the node's lease and starts keeping time. Rejects with BrokerError when the broker is out
   * of reach.
   */
  start(): Promise<void>;
  /** Lets go of everything; connections that are left are cut. */
  stop(): void;
  /** A new connection; `codec` undefined: the client offered subprotocols and none is ours. */
  open(link: Link, codec: CodecName | undefined): Connection;
  message(connection: Connection, message: Encoded): void;
  /** The link has room again after `send` answered "queued". */
  writable(connection: Connection): void;
  /** The link is gone. */
  closed(connection: Connection): void;
  /** Settings that hold from now on. `nodeId` and `revision` stay. */
  configure(settings: NodeSettings): void;
}

const SWEEP_MS = 1000;
const NO_VITALS: Vitals = { lagMs: 0, memoryBytes: 0, brokerOk: true };
const READS_MAX = 64;
const EARLY_FRAMES_MAX = 1024;
/** Messages of full size that may wait for the answer to connect. */
const EARLY_MESSAGES_MAX = 2;

/** Pure: all it knows of time, chance and the world comes through the ports. */
export function createNodeEngine(ports: NodePorts): NodeEngine {
  return new Engine(ports);
}

class Engine implements NodeEngine {
  readonly #ports: NodePorts;
  readonly #parts: NodeParts;
  readonly #sessions: Sessions;
  readonly #flow: Flow;
  readonly #flusher: Flusher;
  readonly #requests: Requests;
  readonly #handshake: Handshake;
  readonly #draining: Draining;
  readonly #fleet: FleetMember;
  readonly #operator: Operator;
  readonly #revocations: Revocations;
  #settings: NodeSettings;
  #state: "starting" | "ready" | "stopped" = "starting";
  #connectionNumber = 0;
  #startedAtMs = 0;
  #leaseAskedMs = 0;
  #leaseRenewedMs = 0;
  #cancelSweep: () => void = () => {};

  constructor(ports: NodePorts) {
    this.#ports = ports;
    this.#settings = ports.settings;
    const { clock, observer } = ports;
    this.#sessions = new Sessions(() => this.#parts);
    this.#flow = new Flow(() => this.#parts);
    this.#flusher = new Flusher(clock, (connection) => this.#flow.pressed(connection));
    this.#revocations = new Revocations(clock);
    this.#parts = partsOf(ports, {
      sessions: this.#sessions,
      presenceKeeper: new PresenceKeeper(() => this.#parts),
      flow: this.#flow,
      settings: () => this.#settings,
      background: (what, work) => void work.catch((error: unknown) => observer.bug(what, error)),
    });
    this.#requests = new Requests(this.#parts);
    this.#fleet = new FleetMember(this.#parts, {
      state: () => this.state,
      startedAtMs: () => this.#startedAtMs,
      drain: () => this.#draining.progress(),
      vitals: ports.vitals ?? (() => NO_VITALS),
    });
    this.#draining = new Draining(this.#parts, this.#fleet);
    this.#handshake = new Handshake(this.#parts, {
      revocations: this.#revocations,
      draining: () => this.#draining.refusing,
      fleet: this.#fleet,
    });
    this.#operator = new Operator(this.#parts, {
      revocations: this.#revocations,
      fleet: this.#fleet,
      drain: (options) => void this.drain(options),
      undrain: () => void this.undrain(),
    });
    ports.broker.onReconnect(() => this.#parts.presenceKeeper.compare());
    this.#sessions.onEnded = (connection) => {
      this.#fleet.ended(connection);
      this.#draining.ended(connection);
    };
  }

  get state(): NodeState {
    return this.#state === "ready" && this.#draining.begun ? "draining" : this.#state;
  }

  async start(): Promise<void> {
    const { broker, clock } = this.#ports;
    await broker.presence.renew(this.#settings.nodeId, this.#settings.timeouts.presenceLeaseMs);
    // Stopped meanwhile: nothing must begin that nobody ends.
    if (this.#state === "stopped") return;
    this.#startedAtMs = clock.wallMs();
    this.#leaseAskedMs = clock.nowMs();
    this.#leaseRenewedMs = this.#leaseAskedMs;
    this.#state = "ready";
    this.#cancelSweep = clock.after(SWEEP_MS, () => this.#sweep());
    this.#fleet.start();
  }

  stop(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#cancelSweep();
    this.#fleet.stop();
    for (const connection of [...this.#sessions.connections]) {
      connection.link.cut();
      this.#sessions.gone(connection);
    }
    this.#parts.hubs.close();
    this.#parts.presenceKeeper.stop();
  }

  configure(settings: NodeSettings): void {
    this.#settings = {
      ...settings,
      nodeId: this.#settings.nodeId,
      revision: this.#settings.revision,
    };
    this.#parts.rates.configure(this.#settings);
    this.#fleet.configure();
    this.#handshake.configure();
  }

  // ---- connections ----

  open(link: Link, codecName: CodecName | undefined): Connection {
    this.#connectionNumber += 1;
    const connection = new Connection({
      link,
      codec: this.#ports.codecs[codecName ?? "json"],
      owner: `${this.#settings.nodeId}/${this.#connectionNumber}`,
      nowMs: this.#ports.clock.nowMs(),
      flusher: this.#flusher,
    });
    this.#sessions.add(connection);
    const verdict =
      codecName === undefined
        ? { code: "version_unsupported" as const }
        : this.#handshake.limitReached(connection);
    if (verdict !== undefined) {
      this.#ports.observer.handshake("refused", verdict.code, 0);
      this.#sessions.end(connection, verdict.code, "farewell" in verdict ? verdict.farewell : {});
    }
    return connection;
  }

  message(connection: Connection, message: Encoded): void {
    if (connection.phase === "ended") return;
    connection.lastReceivedMs = this.#ports.clock.nowMs();
    const { limits } = this.#settings;
    const { messageBytesMax } = limits;
    const fits =
      typeof message === "string"
        ? fitsUtf8(message, messageBytesMax)
        : message.length <= messageBytesMax;
    if (!fits) return this.#sessions.end(connection, "frame_too_large");
    if (connection.phase !== "open") {
      connection.earlyLength += message.length;
      if (connection.earlyLength > EARLY_MESSAGES_MAX * limits.messageBytesMax)
        return this.#sessions.end(connection, "flooded");
    }
    const items = connection.codec.decode(message, limits);
    const retryMs = this.#parts.rates.frames(connection, items.length);
    if (retryMs > 0 && this.#parts.rates.floods(connection))
      return this.#sessions.end(connection, "flooded");
    for (const item of items) {
      if ((connection.phase as string) === "ended") return;
      // Before connected everything waits, bounded, and nothing is answered.
      if (retryMs > 0 && connection.phase === "open" && "id" in item) {
        this.#ports.observer.requestFailed("rate_limited");
        connection.fail(
          item.id,
          "rate_limited",
          "Cannot take the request: over the rate of frames for a connection",
          { retryMs },
        );
      } else this.#item(connection, item);
    }
  }

  writable(connection: Connection): void {
    this.#flow.writable(connection);
  }

  closed(connection: Connection): void {
    this.#sessions.gone(connection);
  }

  #fault(connection: Connection, { fault }: Extract<ReadItem, { t: "fault" }>): void {
    const { code, message, path, id } = fault;
    this.#ports.observer.requestFailed(code);
    if (id === undefined || connection.phase === "opening")
      this.#sessions.end(connection, "frame_invalid", { message });
    else connection.fail(id, code, message, path === undefined ? {} : { path });
  }

  #item(connection: Connection, item: ReadItem): void {
    // Without an id it ends the connection: no reason to wait.
    if (item.t === "fault" && (connection.phase === "opening" || item.fault.id === undefined))
      this.#fault(connection, item);
    else if (connection.phase === "checking") this.#keepEarly(connection, item);
    else if (connection.phase === "open") this.#openItem(connection, item);
    else if (item.t === "connect") this.#connect(connection, item);
    else
      this.#sessions.end(connection, "frame_invalid", {
        message: `Cannot read first frame: found ${item.t}, expected connect`,
      });
  }

  #openItem(connection: Connection, item: ReadItem): void {
    if (item.t === "fault") this.#fault(connection, item);
    else this.#openFrame(connection, item);
  }

  #connect(connection: Connection, frame: Extract<ClientFrame, { t: "connect" }>): void {
    const goOn = (): void => {
      const early = connection.early ?? [];
      connection.early = undefined;
      for (const next of early) if (connection.phase === "open") this.#openItem(connection, next);
    };
    const connecting = this.#handshake.connect(connection, frame, goOn).catch((error: unknown) => {
      this.#ports.observer.bug("connect", error);
      this.#sessions.end(connection, "internal");
    });
    this.#parts.background("connect", connecting);
  }

  /** Frames behind `connect` wait for its answer. */
  #keepEarly(connection: Connection, item: ReadItem): void {
    connection.early ??= [];
    if (connection.early.length >= EARLY_FRAMES_MAX) this.#sessions.end(connection, "flooded");
    else connection.early.push(item);
  }

  #openFrame(connection: Connection, frame: ClientFrame): void {
    switch (frame.t) {
      case "connect":
        return this.#sessions.end(connection, "frame_invalid", {
          message: "Cannot connect: found a second connect frame, expected one",
        });
      case "ping":
        return answerPing(this.#parts, connection, {
          id: frame.id,
          windowMs: this.#fleet.windowMs(),
        });
      case "refresh":
        return this.#parts.background("refresh", refresh(this.#parts, connection, frame));
      case "report":
        return this.#ports.observer.experienced(frame.counts);
      case "bye":
        return this.#sessions.leave(connection, frame.moved === true);
      default:
        return this.#requests.handle(connection, frame);
    }
  }

  // ---- keeping time ----

  #sweep(): void {
    const { clock } = this.#ports;
    const nowMs = clock.nowMs();
    const { timeouts } = this.#settings;
    for (const connection of this.#sessions.connections) {
      if (connection.phase !== "open") {
        if (nowMs - connection.openedMs > timeouts.handshakeMs) this.#refuseLate(connection);
      } else if (nowMs - connection.lastReceivedMs > timeouts.idleMs)
        this.#sessions.end(connection, "idle_timeout");
      // Besides its timer: a wall clock that was set right brings expiries forward.
      else if (this.#sessions.endIfExpired(connection)) continue;
      else this.#flow.check(connection, nowMs);
    }
    this.#flow.lookAtGroups();
    this.#handshake.configure();
    this.#parts.hubs.sweep(nowMs);
    this.#revocations.sweep(timeouts.resumeTtlMs);
    if ((nowMs - this.#leaseAskedMs) * 3 >= timeouts.presenceLeaseMs)
      this.#parts.background("lease", this.#renewLease(nowMs));
    this.#cancelSweep = clock.after(SWEEP_MS, () => this.#sweep());
  }

  async #renewLease(nowMs: number): Promise<void> {
    const { nodeId, timeouts } = this.#settings;
    this.#leaseAskedMs = nowMs;
    try {
      await this.#ports.broker.presence.renew(nodeId, timeouts.presenceLeaseMs);
    } catch {
      // Out of reach: the next sweep asks again, long before the lease is over.
      this.#leaseAskedMs = Number.NEGATIVE_INFINITY;
      this.#ports.observer.leaseRenewed("failed");
      return;
    }
    // It ran out meanwhile: the broker has ended this node's members.
    const lapsed = this.#ports.clock.nowMs() - this.#leaseRenewedMs >= timeouts.presenceLeaseMs;
    this.#leaseRenewedMs = nowMs;
    this.#ports.observer.leaseRenewed(lapsed ? "late" : "ok");
    if (lapsed) this.#parts.presenceKeeper.compare();
  }

  #refuseLate(connection: Connection): void {
    this.#ports.observer.handshake(
      "refused",
      "handshake_timeout",
      this.#ports.clock.nowMs() - connection.openedMs,
    );
    this.#sessions.end(connection, "handshake_timeout");
  }

  // ---- operators ----

  info(): NodeInfo {
    let queueBytes = 0;
    for (const connection of this.#sessions.connections)
      queueBytes += connection.link.bufferedBytes();
    const drain = this.#draining.progress();
    return {
      node: this.#settings.nodeId,
      revision: this.#settings.revision,
      state: this.state,
      startedAtMs: this.#startedAtMs,
      connections: this.#sessions.connections.size,
      sessions: this.#sessions.count,
      subscriptions: this.#sessions.subscriptions,
      channels: this.#parts.hubs.size,
      queueBytes,
      windowMs: this.#fleet.windowMs(),
      handshakesPerSecond: this.#fleet.handshakesPerSecond,
      ...(drain === undefined ? {} : { drain }),
    };
  }

  drain(
    options: { readonly windowMs?: number; readonly preDelayMs?: number } = {},
  ): Promise<DrainProgress> {
    return this.#draining.start(options);
  }

  undrain(): boolean {
    return this.#draining.undo();
  }

  publish: NodeControl["publish"] = (channel, request) => this.#operator.publish(channel, request);
  history: NodeControl["history"] = (channel, query) => this.#operator.history(channel, query);
  removeHistory: NodeControl["removeHistory"] = (channel) => this.#operator.removeHistory(channel);
  presence: NodeControl["presence"] = (channel) => this.#operator.presence(channel);
  channels: NodeControl["channels"] = (query) => this.#operator.channels(query);
  sessions: NodeControl["sessions"] = (query) => this.#operator.sessions(query);
  disconnect: NodeControl["disconnect"] = (who, options) => this.#operator.disconnect(who, options);
  unsubscribe: NodeControl["unsubscribe"] = (who, channel) =>
    this.#operator.unsubscribe(who, channel);
  nodes: NodeControl["nodes"] = () => this.#fleet.nodes();
  sessionsEverywhere: NodeControl["sessionsEverywhere"] = (query) =>
    this.#operator.sessionsEverywhere(query);
  order: NodeControl["order"] = (node, order, options) =>
    this.#operator.order(node, order, options);
  rpc: NodeControl["rpc"] = (method, input) => this.#operator.rpc(method, input);
}

interface Wiring
  extends Pick<NodeParts, "settings" | "background" | "sessions" | "presenceKeeper"> {
  readonly flow: Flow;
}

function partsOf(ports: NodePorts, { flow, ...wiring }: Wiring): NodeParts {
  const { clock, random, broker, observer, groups, codecs } = ports;
  const hubPorts: HubPorts = {
    clock,
    random,
    broker,
    observer,
    groups,
    groupBytes: flow,
    codecs: [codecs.json, codecs.msgpack],
    reads: new Reads(READS_MAX),
    settings: wiring.settings,
    memberLeft: (channel, member) => wiring.presenceKeeper.heardLeave(channel, member),
    background: wiring.background,
  };
  const { authenticator, contract, values } = ports;
  const rates = new Rates(clock, ports.settings);
  return {
    clock,
    random,
    broker,
    authenticator,
    contract,
    observer,
    values,
    hubPorts,
    hubs: new Hubs(hubPorts),
    rates,
    ...wiring,
  };
}
