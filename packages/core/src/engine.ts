// Owns: a whole node without its sockets: its parts put together, and its life from start to stop.
import type { Contract, Outcome, PayloadValues } from "@holdfast/contract";
import type { CodeName } from "@holdfast/protocol";
import { type ApplicationPorts, Contexts } from "./application/contexts.ts";
import { BusRoutes } from "./bus-routes.ts";
import { Flow } from "./channel/backpressure.ts";
import type { HubNeeds } from "./channel/channel-hub.ts";
import { Hubs } from "./channel/hubs.ts";
import { Reads } from "./channel/reads.ts";
import { Operator } from "./control/commands.ts";
import type { DrainOptions, DrainProgress, NodeControl, NodeInfo } from "./control/control.ts";
import { nodeInfo } from "./control/node-info.ts";
import { ORDER_KINDS, type OrderMessage } from "./control/order-messages.ts";
import { Orders } from "./control/orders.ts";
import type { DoorCodec, DoorLimits, Item, KeptEntitlement } from "./door.ts";
import type { DoorEngine } from "./door-engine.ts";
import { Moving } from "./drain/moving.ts";
import { FleetMember, type Vitals } from "./fleet/fleet-member.ts";
import type { FleetMessage, NodeState } from "./fleet/view.ts";
import type { Observer } from "./observer.ts";
import type { Authenticator, Broker, Clock, Groups, Link, Random } from "./ports.ts";
import { Lease } from "./presence/lease.ts";
import { PresenceKeeper } from "./presence/presence-keeper.ts";
import { CodecNumbers } from "./session/codec-numbers.ts";
import { Connection, Flusher } from "./session/connection.ts";
import { createDoorCosts, type DoorCosts } from "./session/door-costs.ts";
import { entitle, entitlementOf } from "./session/entitlement.ts";
import { Felt } from "./session/felt.ts";
import { Handshake } from "./session/handshake.ts";
import { HeldBytes } from "./session/held-bytes.ts";
import { Intake } from "./session/intake.ts";
import { KeptBytes } from "./session/kept-bytes.ts";
import { Rates } from "./session/rates.ts";
import { Requests } from "./session/requests.ts";
import { Revocations } from "./session/revocations.ts";
import { Sessions } from "./session/sessions.ts";
import { Shares } from "./session/shares.ts";
import { Sweep } from "./session/sweep.ts";
import type { NodeSettings } from "./settings.ts";
import type { Tap, TapOptions } from "./taps/tap.ts";
import { Taps } from "./taps/taps.ts";

/** What an engine is given. It reaches the outside world only through these. */
export interface NodePorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly broker: Broker;
  readonly authenticator: Authenticator;
  readonly contract: Contract;
  readonly observer: Observer;
  readonly groups: Groups;
  readonly values: PayloadValues;
  readonly settings: NodeSettings;
  /** For the application's code. Absent: it has no dependencies, and its log goes nowhere. */
  readonly application?: ApplicationPorts;
  /** What the process measures of itself. Absent: nothing. */
  readonly vitals?: () => Vitals;
}

/** A node without its doors and sockets. */
export interface NodeEngine extends NodeControl, DoorEngine {
  /**
   * Begins to consume a channel; no permission is checked. The tap ends when the node ends. Refused
   * with `channel_unknown`, or with `request_failed` if there are 1,024 taps or 64 MiB of buffers.
   */
  tap(channel: string, options: TapOptions): Outcome<Tap>;
  readonly taps: Pick<Taps, "figures">;
  readonly state: NodeState;
  /** True when newcomers are sent elsewhere: in a drain behind its pre-delay, and at the end. */
  sendsAway(): boolean;
  /** Makes the lease and starts keeping time. Rejects with BrokerError without the broker. */
  start(): Promise<void>;
  /** Releases everything; connections that are left are cut. */
  stop(): void;
  /** Uses these settings from now on. `nodeId` and `revision` stay. */
  configure(settings: NodeSettings): void;
}

const NO_VITALS: Vitals = { lagMs: 0, memoryBytes: 0, brokerOk: true };
const READS_MAX = 64;
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Pure: time, randomness and everything from outside come through the ports. */
export function createNodeEngine(ports: NodePorts): NodeEngine {
  return new Engine(ports);
}

/** Every part declares what it needs of the others; only the engine sees all of them. */
interface Parts
  extends Pick<
    NodePorts,
    "clock" | "random" | "broker" | "authenticator" | "contract" | "observer" | "values"
  > {
  readonly contexts: Contexts;
  readonly felt: Felt;
  readonly heldBytes: HeldBytes;
  readonly keptBytes: KeptBytes;
  readonly hubPorts: HubNeeds;
  readonly hubs: Hubs;
  readonly rates: Rates;
  readonly sessions: Sessions;
  readonly presenceKeeper: PresenceKeeper;
  readonly flow: Flow;
  settings(): NodeSettings;
  background(what: string, work: Promise<unknown>): void;
}

class Engine implements NodeEngine {
  readonly #ports: NodePorts;
  readonly #parts: Parts;
  readonly #sessions: Sessions;
  readonly #flow: Flow;
  readonly #flusher: Flusher;
  readonly #contexts: Contexts;
  readonly #felt: Felt;
  readonly #codecNumbers = new CodecNumbers();
  readonly #shares: Shares;
  readonly #rates: Rates;
  readonly #hubs: Hubs;
  readonly #presenceKeeper: PresenceKeeper;
  readonly #intake: Intake;
  readonly #handshake: Handshake;
  readonly #moving: Moving;
  readonly #fleet: FleetMember;
  readonly #operator: Operator;
  readonly #orders: Orders;
  readonly #revocations: Revocations;
  readonly taps: Taps;
  readonly hear: NodeEngine["hear"];
  readonly costs: DoorCosts;
  readonly #lease: Lease;
  readonly #sweep: Sweep;
  #settings: NodeSettings;
  #state: "starting" | "ready" | "stopped" = "starting";
  #connectionNumber = 0;
  #startedAtMs = 0;

  constructor(ports: NodePorts) {
    this.#ports = ports;
    this.#settings = ports.settings;
    const { clock, broker, application = { log: SILENT, dependencies: undefined } } = ports;
    this.#contexts = new Contexts(() => ({
      ...this.#parts,
      application,
      actions: this.#operator,
    }));
    this.#felt = new Felt(clock);
    this.#sessions = new Sessions(() => this.#parts);
    this.#flow = new Flow(() => this.#parts);
    this.#shares = new Shares(ports.settings, clock.nowMs());
    this.#rates = new Rates(ports, this.#shares, ports.settings);
    this.#flusher = new Flusher(
      {
        clock,
        roomBytes: () => this.#settings.flow.lagBytes,
        overdrawnMs: (connection) => this.#rates.overdrawnMs(connection),
        waits: (why) => ports.observer.held(why),
        charge: (connection) => this.#rates.answered(connection),
      },
      (connection) => this.#flow.pressed(connection),
    );
    this.#revocations = new Revocations(clock);
    this.#presenceKeeper = new PresenceKeeper(() => this.#parts);
    const hubPorts = this.#hubPorts();
    this.#hubs = new Hubs(hubPorts);
    this.#parts = this.#gather(hubPorts);
    this.costs = createDoorCosts(this.#parts);
    this.#fleet = new FleetMember(this.#parts, {
      state: () => this.state,
      startedAtMs: () => this.#startedAtMs,
      drain: () => this.#moving.draining.progress(),
      shed: () => this.#moving.shedding.progress(),
      hasShed: (session) => this.#moving.hasShed(session),
      vitals: ports.vitals ?? (() => NO_VITALS),
      orders: () => this.#orders.figures,
    });
    this.#moving = new Moving(this.#parts, this.#fleet);
    this.#handshake = new Handshake(this.#parts, {
      shares: this.#shares,
      revocations: this.#revocations,
      drain: this.#moving.draining,
      fleet: this.#fleet,
    });
    this.#intake = new Intake(this.#parts, {
      handshake: this.#handshake,
      requests: new Requests(this.#parts),
      windowMs: () => this.#fleet.windowMs(),
    });
    this.#orders = new Orders(this.#parts, this.#moving);
    const bus = new BusRoutes(broker.bus);
    this.hear = (kind, listener) => bus.hear([kind], listener);
    this.#operator = new Operator(this.#parts, {
      revocations: this.#revocations,
      fleet: this.#fleet,
      orders: this.#orders,
      bus,
    });
    bus.hear<FleetMessage>(["figures", "left"], (told) => this.#fleet.heard(told));
    bus.hear<OrderMessage>(ORDER_KINDS, (told) => this.#orders.heard(told));
    this.taps = new Taps(this.#parts);
    this.#lease = new Lease(this.#parts);
    this.#sweep = new Sweep(this.#parts, [
      () => this.#handshake.configure(),
      (nowMs) => this.#hubs.sweep(nowMs),
      () => this.#revocations.sweep(this.#settings.timeouts.resumeTtlMs),
      (nowMs) => this.#lease.renewIfDue(nowMs),
    ]);
    broker.onReconnect(() => this.#presenceKeeper.compare());
    this.#sessions.onEnded = [this.#moving, this.#fleet];
  }

  #hubPorts(): HubNeeds {
    const { clock, random, broker, observer, groups } = this.#ports;
    return {
      clock,
      random,
      broker,
      observer,
      groups,
      groupBytes: this.#flow,
      felt: this.#felt,
      reads: new Reads(READS_MAX),
      settings: () => this.#settings,
      memberLeft: (channel, member) => this.#presenceKeeper.heardLeave(channel, member),
      background: (what, work) => this.#background(what, work),
    };
  }

  #gather(hubPorts: HubNeeds): Parts {
    const { clock, random, broker, authenticator, contract, observer, values } = this.#ports;
    return {
      clock,
      random,
      broker,
      authenticator,
      contract,
      observer,
      values,
      contexts: this.#contexts,
      felt: this.#felt,
      heldBytes: new HeldBytes(),
      keptBytes: new KeptBytes({ clock, broker, settings: () => this.#settings }),
      hubPorts,
      hubs: this.#hubs,
      rates: this.#rates,
      sessions: this.#sessions,
      presenceKeeper: this.#presenceKeeper,
      flow: this.#flow,
      settings: () => this.#settings,
      background: (what, work) => this.#background(what, work),
    };
  }

  /** Runs work that nobody awaits; a rejection is reported as a bug. */
  #background(what: string, work: Promise<unknown>): void {
    void work.catch((error: unknown) => this.#ports.observer.bug(what, error));
  }

  get state(): NodeState {
    return this.#state === "ready" && this.#moving.draining.begun ? "draining" : this.#state;
  }

  async start(): Promise<void> {
    await this.#lease.begin();
    // The engine was stopped meanwhile: it must not begin anything that nobody would end.
    if (this.#state === "stopped") return;
    await this.#operator.start();
    if ((this.#state as string) === "stopped") return this.#operator.stop();
    this.#startedAtMs = this.#ports.clock.wallMs();
    this.#state = "ready";
    this.#sweep.start();
    this.#fleet.start();
  }

  stop(): void {
    if (this.#state === "stopped") return;
    this.#state = "stopped";
    this.#sweep.stop();
    this.#fleet.stop();
    this.#operator.stop();
    for (const connection of [...this.#sessions.connections]) {
      connection.link.cut();
      this.#sessions.gone(connection, true);
    }
    this.taps.close();
    this.#hubs.close();
    this.#presenceKeeper.stop();
  }

  configure(settings: NodeSettings): void {
    this.#settings = {
      ...settings,
      nodeId: this.#settings.nodeId,
      revision: this.#settings.revision,
    };
    this.#rates.configure(this.#settings);
    this.#fleet.configure();
    this.#handshake.configure();
  }

  // ---- connections ----

  limits(): DoorLimits {
    return this.#settings.limits;
  }

  open(link: Link, codec: DoorCodec, refusal?: CodeName): Connection {
    this.#connectionNumber += 1;
    const connection = new Connection({
      link,
      codec,
      codecNumber: this.#codecNumbers.of(codec),
      owner: `${this.#settings.nodeId}/${this.#connectionNumber}`,
      nowMs: this.#ports.clock.nowMs(),
      flusher: this.#flusher,
    });
    this.#sessions.add(connection);
    const verdict =
      refusal === undefined ? this.#handshake.limitReached(connection) : { code: refusal };
    if (verdict !== undefined) {
      this.#ports.observer.handshake("refused", verdict.code, 0);
      this.#sessions.end(connection, verdict.code, "farewell" in verdict ? verdict.farewell : {});
    }
    return connection;
  }

  processed(connection: Connection, ms: number): void {
    this.#rates.processed(connection, ms);
  }

  receive(connection: Connection, items: readonly Item[], length: number): void {
    this.#intake.receive(connection, items, length);
  }

  refuse(connection: Connection, code: CodeName, message?: string): void {
    this.#sessions.end(connection, code, message === undefined ? {} : { message });
  }

  tap: NodeEngine["tap"] = (channel, options) => this.taps.open(channel, options);

  writable(connection: Connection): void {
    this.#flow.writable(connection);
  }

  alive(connection: Connection): void {
    connection.lastReceivedMs = this.#ports.clock.nowMs();
  }

  closed(connection: Connection, isClean = false): void {
    this.#sessions.gone(connection, isClean);
  }

  entitlement(connection: Connection): KeptEntitlement {
    return entitlementOf(connection, this.#ports.contract.subscribePolicy);
  }

  entitle(connection: Connection, kept: KeptEntitlement): void {
    entitle(connection, kept, this.#ports.contract.subscribePolicy);
  }

  // ---- operators ----

  info(): NodeInfo {
    return nodeInfo(
      {
        ...this.#parts,
        moving: this.#moving,
        fleet: this.#fleet,
        orders: this.#orders,
      },
      { state: this.state, startedAtMs: this.#startedAtMs },
    );
  }

  drain(options: DrainOptions = {}): Promise<DrainProgress> {
    return this.#moving.drain(options);
  }

  undrain(): boolean {
    return this.#moving.undrain();
  }

  obey: NodeControl["obey"] = (order) => this.#orders.obey(order);
  sendsAway = (): boolean => this.#moving.draining.refusing || this.#state === "stopped";
  publish: NodeControl["publish"] = (channel, request) => this.#operator.publish(channel, request);
  history: NodeControl["history"] = (channel, query) => this.#operator.history(channel, query);
  openHistory: NodeControl["openHistory"] = (channel) => this.#operator.openHistory(channel);
  removeHistory: NodeControl["removeHistory"] = (channel) => this.#operator.removeHistory(channel);
  presence: NodeControl["presence"] = (channel) => this.#operator.presence(channel);
  channels: NodeControl["channels"] = (query) => this.#operator.channels(query);
  sessions: NodeControl["sessions"] = (query) => this.#operator.sessions(query);
  disconnect: NodeControl["disconnect"] = (who, options) => this.#operator.disconnect(who, options);
  unsubscribe: NodeControl["unsubscribe"] = (who, name) => this.#operator.unsubscribe(who, name);
  nodes: NodeControl["nodes"] = () => this.#fleet.nodes();
  sessionsEverywhere: NodeControl["sessionsEverywhere"] = (query) =>
    this.#operator.sessionsEverywhere(query);
  order: NodeControl["order"] = (node, order, how) => this.#operator.order(node, order, how);
  rpc: NodeControl["rpc"] = (method, input) => this.#operator.rpc(method, input);
}
