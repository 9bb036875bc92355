// Owns: the simulation of the door's bad days: nodes that are killed, connections that are cut with
// what was on them, take-overs, a broker that fails after it has done it, clocks that jump. One
// seed replays a run.
import { compileContract } from "@holdfast/contract";
import {
  type Broker,
  BrokerError,
  createMemoryBroker,
  createSeededRandom,
  type DoorClient,
  type MemoryBroker,
  type SeededRandom,
} from "@holdfast/core";
import { payloadFromValue, payloadValue } from "@holdfast/protocol/node";
import {
  createEngineHarness,
  createManualClock,
  type HandLink,
  type ManualClock,
  TEST_SETTINGS,
} from "@holdfast/testkit";
import { generate, type Packet } from "mqtt-packet";
import { createMqttDoor, type MqttDoor } from "../door.ts";
import { TEST_MQTT } from "../testing.ts";
import { SimClient, type SimWire, WINDOW } from "./sim-client.ts";

export interface SimResult {
  readonly violations: readonly string[];
  readonly faults: Readonly<Record<string, number>>;
  readonly published: number;
  readonly taken: number;
  readonly wills: number;
}

const BAD_MS = 40_000;
/** A dead node's wills come after its lease, and after that of one that took them and died. */
const HEALED_MS = 110_000;
const STEP_MS = 10;
const TOPICS = ["t/0", "t/1", "t/2"];
const permissions = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const history = { size: 100_000, ttlMs: 3_600_000 };
const CONTRACT = { channels: { "{rest*}": { permissions, history } } };

/** A node's view of time: nothing happens once it is dead. */
function nodeClock(clock: ManualClock, isDead: () => boolean): ManualClock {
  return {
    ...clock,
    defer: (task) => clock.defer(() => isDead() || task()),
    after: (ms, task) => clock.after(ms, () => isDead() || task()),
  };
}

interface SimNode {
  readonly name: string;
  readonly door: MqttDoor;
  readonly bugs: readonly unknown[];
  link(): HandLink;
  isDead: boolean;
  awayUntilMs: number;
}

/** A connection: bytes take a step in each direction. */
interface Connection extends SimWire {
  readonly node: SimNode;
  readonly link: HandLink;
  readonly door: DoorClient;
  readonly up: Uint8Array[];
  isCut: boolean;
}

/** A client with a will, once. */
interface Mourned {
  readonly text: string;
  connection: Connection | undefined;
  phase: "connecting" | "open" | "polite" | "gone" | "unsure";
}

export class Simulation {
  readonly #random: SeededRandom;
  readonly #clock = createManualClock({ wallStartMs: 1_700_000_000_000 });
  readonly #broker: MemoryBroker;
  readonly #settle: () => void;
  readonly #violations: string[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #nodes: SimNode[] = [];
  readonly #connections = new Map<SimClient, Connection>();
  readonly #dying: Connection[] = [];
  readonly #publishers: SimClient[] = [];
  readonly #readers: SimClient[] = [];
  readonly #mourned: Mourned[] = [];
  #born = 0;
  #number = 0;

  constructor(options: { readonly seed: number; readonly settle: () => void }) {
    this.#random = createSeededRandom(`mqtt ${options.seed}`);
    this.#settle = options.settle;
    const random = this.#random.fork("broker");
    this.#broker = createMemoryBroker({ clock: this.#clock, random });
    for (const qos of [1, 2] as const) {
      for (const version of [4, 5] as const)
        this.#publishers.push(this.#client(`p${qos}${version}`, version, { qos, filters: [] }));
      this.#readers.push(this.#client(`r${qos}`, 5, { qos, filters: ["t/#"] }));
      this.#readers.push(this.#client(`o${qos}`, 4, { qos, filters: TOPICS }));
    }
  }

  async run(): Promise<SimResult> {
    for (let i = 0; i < 3; i++) await this.#birth();
    const truth = await this.#watchTruth();
    for (let n = 0; n < 3000 && !this.#readers.every(({ isSubscribed }) => isSubscribed); n++)
      this.#step(false);
    while (this.#clock.nowMs() < BAD_MS) {
      this.#step(true);
      if (this.#random.chance(STEP_MS / 1200)) await this.#fault();
    }
    while (this.#clock.nowMs() < BAD_MS + HEALED_MS) this.#step(false);
    this.#judge(truth);
    return {
      violations: this.#violations,
      faults: this.#faults,
      published: this.#number,
      taken: this.#readers.reduce(
        (sum, { taken }) => sum + (taken.get(TOPICS[0] as string)?.length ?? 0),
        0,
      ),
      wills: this.#mourned.length,
    };
  }

  // ---- the world ----

  #client(id: string, version: 4 | 5, more: { qos: 1 | 2; filters: readonly string[] }): SimClient {
    const violation = (text: string): void => void this.#violations.push(text);
    return new SimClient({ id, version, random: this.#random.fork(id), violation, ...more });
  }

  async #birth(): Promise<void> {
    this.#born += 1;
    const name = `n${this.#born}`;
    const clock = nodeClock(this.#clock, () => node.isDead);
    const node = { name, isDead: false, awayUntilMs: 0 } as SimNode & { door: MqttDoor };
    let broker: Broker | undefined;
    const harness = await createEngineHarness({
      contract: CONTRACT,
      settings: { ...TEST_SETTINGS, nodeId: name },
      ...{ broker: this.#broker, clock },
      wrapBroker: (view) => {
        const guarded = this.#guarded(view, () => node) as typeof view;
        broker = guarded;
        return guarded;
      },
    });
    const { channels, states, bus, publish } = broker as unknown as Broker;
    const values = { toValue: payloadValue, fromValue: payloadFromValue };
    const options = { channelLengthMax: 255, defaultRule: "anyone", values } as const;
    const compiled = compileContract(CONTRACT, options);
    if (!compiled.ok) throw new Error(compiled.problems.join());
    const streamOf = (channel: string) => {
      const stream = compiled.contract.resolve(channel)?.stream;
      if (stream === undefined) throw new Error(channel);
      return stream;
    };
    const door = createMqttDoor({
      ...{ engine: harness.engine, clock, nodeId: name, states, bus, channels },
      random: this.#random.fork(name),
      settings: { ...TEST_MQTT, channelsMax: 20, inFlightMax: 3 },
      observer: {
        refused: (code) => this.#violations.push(`a publish was refused: ${code}`),
        ...{ opened() {}, closed() {}, takenOver() {}, takeOverDelayed() {}, ended() {} },
        ...{ willEnded() {}, willsAdopted() {} },
        bug: (where, error) => this.#violations.push(`bug in ${where}: ${error}`),
      },
      ...{ mayPublish: () => true, maySubscribe: () => true, isLatest: () => false },
      tap: (channel, tap) => harness.engine.tap(channel, tap),
      headOf: async () => ({ epoch: "", offset: 0 }),
      async publish({ channel, payload, meta }, idempotencyKey) {
        await publish(channel, streamOf(channel), { payload, meta, idempotencyKey });
      },
    });
    Object.assign(node, {
      door,
      bugs: harness.bugs,
      link: () => harness.link(`10.0.0.${this.#born}`),
    });
    this.#nodes.push(node);
  }

  /** Calls of a dead node never end; those of one that is cut off fail, some after being done. */
  #guarded(broker: Broker, nodeOf: () => SimNode): Broker {
    const guard =
      <A extends readonly unknown[], T>(call: (...args: A) => Promise<T>) =>
      async (...args: A): Promise<T> => {
        const { isDead, awayUntilMs } = nodeOf();
        if (isDead) return new Promise<T>(() => {});
        if (awayUntilMs <= this.#clock.nowMs()) return call(...args);
        if (this.#random.chance(0.5)) await call(...args).catch(() => {});
        throw new BrokerError("unavailable", "away");
      };
    const { states } = broker;
    const wrapped = {
      publish: guard(broker.publish.bind(broker)),
      subscribe: guard(broker.subscribe.bind(broker)),
      history: guard(broker.history.bind(broker)),
      channels: guard(broker.channels.bind(broker)),
      states: {
        take: guard(states.take.bind(states)),
        write: guard(states.write.bind(states)),
        renew: guard(states.renew.bind(states)),
        release: guard(states.release.bind(states)),
        read: guard(states.read.bind(states)),
        list: guard(states.list.bind(states)),
      },
      bus: {
        listen: (listener: Parameters<Broker["bus"]["listen"]>[0]) =>
          broker.bus.listen((message) => {
            if (!nodeOf().isDead) listener(message);
          }),
        // Words are lost now and then.
        send: async (message: Parameters<Broker["bus"]["send"]>[0]) => {
          if (!nodeOf().isDead && this.#random.chance(0.8)) await broker.bus.send(message);
        },
      },
    };
    return new Proxy(broker, {
      get(target, name) {
        if (Object.hasOwn(wrapped, name)) return wrapped[name as keyof typeof wrapped];
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  /** Every publication, in the channel's order. */
  async #watchTruth(): Promise<Map<string, string[]>> {
    const truth = new Map<string, string[]>();
    const view = this.#broker.connect("truth");
    const stream = { cls: "ordered", sizeMax: 100_000, ttlMs: 3_600_000, bytesMax: 1e9 } as never;
    for (const channel of [...TOPICS, "will"]) {
      truth.set(channel, []);
      await view.subscribe(channel, stream, {
        publication: ({
          payload,
        }: {
          payload: { kind: string; text?: string; bytes?: Uint8Array };
        }) => truth.get(channel)?.push(payload.text ?? Buffer.from(payload.bytes ?? []).toString()),
      } as never);
    }
    return truth;
  }

  #step(isBad: boolean): void {
    this.#clock.advance(STEP_MS);
    this.#settleAll();
    for (const [client, connection] of [...this.#connections]) this.#carry(client, connection);
    for (const client of [...this.#publishers, ...this.#readers]) {
      if (!client.isConnected && this.#random.chance(0.05)) this.#connect(client);
      client.step();
    }
    for (const one of this.#mourned) this.#mourn(one);
    if (isBad && this.#random.chance(STEP_MS / 100)) this.#publishOne();
    if (isBad && this.#random.chance(STEP_MS / 800)) this.#newMourned();
    this.#settleAll();
  }

  #settleAll(): void {
    for (let turn = 0; turn < 3; turn++) {
      this.#settle();
      this.#clock.flush();
    }
    this.#settle();
  }

  #publishOne(): void {
    this.#number += 1;
    const client = this.#random.pick(this.#publishers);
    client.publish(this.#random.pick(TOPICS), `${client.options.id}:${this.#number}`);
  }

  // ---- connections ----

  #open(): Connection | undefined {
    const alive = this.#nodes.filter(({ isDead }) => !isDead);
    const node = this.#random.pick(alive);
    const link = node.link();
    const connection: Connection = {
      ...{ node, link, up: [], isCut: false, door: node.door.open(link) },
      send: (bytes) => void connection.up.push(bytes),
      cut: () => {
        connection.isCut = true;
        connection.up.length = 0;
        // The node notices it some time later, or never.
        this.#clock.after(this.#random.int(3000), () => node.isDead || connection.door.closed());
      },
    };
    return connection;
  }

  #connect(client: SimClient): void {
    const connection = this.#open();
    if (connection === undefined) return;
    this.#connections.set(client, connection);
    client.connect(connection);
  }

  #carry(client: SimClient, connection: Connection): void {
    const { link, door, up, node } = connection;
    if (node.isDead || link.wasCut) return this.#lose(client);
    for (const bytes of up.splice(0)) door.message(bytes);
    for (const message of link.messages.splice(0)) client.received(message as Uint8Array);
    if (link.closedWith !== undefined) this.#lose(client);
  }

  #lose(client: SimClient): void {
    const connection = this.#connections.get(client);
    this.#connections.delete(client);
    if (connection !== undefined && !connection.isCut) connection.cut();
    client.lost();
  }

  // ---- wills ----

  #newMourned(): void {
    const text = `will ${this.#mourned.length}`;
    const connection = this.#open();
    const properties = { sessionExpiryInterval: 0 };
    const will = { topic: "will", payload: Buffer.from(text), qos: 1, retain: false };
    connection?.send(
      generate({
        ...{
          cmd: "connect",
          protocolId: "MQTT",
          protocolVersion: 5,
          clean: true,
          will,
          properties,
        },
        ...{ clientId: `mourned ${this.#mourned.length}`, keepalive: 600 },
      } as unknown as Packet),
    );
    this.#mourned.push({ text, connection, phase: "connecting" });
  }

  #mourn(one: Mourned): void {
    const { connection } = one;
    if (connection === undefined) return;
    const { link, node, up, door } = connection;
    const wasOpen = one.phase === "open";
    if (node.isDead) {
      one.phase = wasOpen ? "gone" : "unsure";
      one.connection = undefined;
      return;
    }
    for (const bytes of up.splice(0)) door.message(bytes);
    for (const message of link.messages.splice(0))
      if ((message[0] as number) === 0x20 && one.phase === "connecting")
        one.phase = (message as Uint8Array)[3] === 0 ? "open" : "unsure";
    if (link.closedWith !== undefined || link.wasCut) {
      one.phase = wasOpen ? "gone" : "unsure";
      one.connection = undefined;
      if (!connection.isCut) connection.cut();
    } else if (wasOpen && this.#random.chance(STEP_MS / 4000)) {
      one.connection = undefined;
      if (this.#random.chance(0.5)) {
        one.phase = "polite";
        door.message(Uint8Array.of(0xe0, 0));
        this.#dying.push(connection);
      } else {
        one.phase = "gone";
        connection.cut();
      }
    }
  }

  // ---- faults ----

  async #fault(): Promise<void> {
    const alive = this.#nodes.filter(({ isDead }) => !isDead);
    const node = this.#random.pick(alive);
    const kind = this.#random.pick(["kill", "cut", "cut", "take over", "away", "clock"] as const);
    this.#faults[kind] = (this.#faults[kind] ?? 0) + 1;
    const client = this.#random.pick([...this.#publishers, ...this.#readers]);
    if (kind === "kill") {
      // A polite client's DISCONNECT may be lost with its node: nobody can know.
      for (const one of this.#mourned) if (one.phase === "polite") one.phase = "unsure";
      node.isDead = true;
      await this.#birth();
    } else if (kind === "cut") this.#lose(client);
    else if (kind === "take over") {
      // The old connection stays: the client has forgotten it, as after a network change.
      const before = this.#connections.get(client);
      this.#connections.delete(client);
      if (before !== undefined) before.isCut = true;
      client.lost();
      this.#connect(client);
    } else if (kind === "away") node.awayUntilMs = this.#clock.nowMs() + this.#random.int(4000);
    else this.#clock.jumpWall(this.#random.int(20_000) - 10_000);
  }

  // ---- the oracle ----

  #judge(truth: ReadonlyMap<string, readonly string[]>): void {
    const bad = (text: string): void => void this.#violations.push(text);
    for (const client of [...this.#publishers, ...this.#readers])
      if (!client.isQuiet) bad(`${client.options.id} is not done`);
    for (const client of this.#publishers) this.#judgePublisher(client, truth);
    for (const reader of this.#readers)
      for (const topic of TOPICS) this.#judgeReader(reader, topic, truth.get(topic) ?? []);
    const wills = truth.get("will") ?? [];
    for (const { text, phase } of this.#mourned) {
      const count = wills.filter((will) => will === text).length;
      if (count > 1) bad(`${text} was published ${count} times`);
      if (phase === "gone" && count === 0) bad(`${text} was not published`);
      if (phase === "polite" && count > 0) bad(`${text} was published after DISCONNECT`);
    }
    for (const node of this.#nodes) {
      for (const error of node.bugs) bad(`bug of the engine: ${error}`);
      if (node.isDead) continue;
      const { inFlight, waitingBytes, waitingWills } = node.door.figures();
      if (inFlight + waitingBytes + waitingWills !== 0)
        bad(
          `${node.name} still has ${inFlight} in flight, ${waitingBytes} B, ${waitingWills} wills`,
        );
    }
  }

  #judgePublisher(
    { options, acknowledged, sent }: SimClient,
    truth: ReadonlyMap<string, readonly string[]>,
  ) {
    const mine = [...truth.values()].flat().filter((text) => text.startsWith(`${options.id}:`));
    for (const text of acknowledged)
      if (!mine.includes(text)) this.#violations.push(`${text} was acknowledged and is nowhere`);
    if (options.qos === 2 && new Set(mine).size !== mine.length)
      this.#violations.push(`${options.id} published something twice at QoS 2`);
    for (const [topic, texts] of truth) {
      const firsts = [...new Set(texts.filter((text) => text.startsWith(`${options.id}:`)))];
      const places = firsts.map((text) => sent.indexOf(text));
      // If the broker fails, what is tried again may come behind others that were under way.
      const most = this.#faults.away === undefined ? 0 : WINDOW - 1;
      let highest = -1;
      for (const place of places) {
        if (highest - place > most)
          this.#violations.push(`${options.id} in ${topic} is out of order: ${firsts}`);
        highest = Math.max(highest, place);
      }
    }
  }

  /** Each at least once, and first in the log's order; what is QoS 2 on both sides exactly once. */
  #judgeReader({ options, taken }: SimClient, topic: string, log: readonly string[]): void {
    const texts = taken.get(topic) ?? [];
    const [firsts, expected] = [[...new Set(texts)], [...new Set(log)]];
    const at = expected.findIndex((text, place) => text !== firsts[place]);
    if (at !== -1 || firsts.length !== expected.length)
      this.#violations.push(
        `${options.id} took ${firsts.length} of ${expected.length} in ${topic}, at ${at} ${firsts[at]} for ${expected[at]}`,
      );
    if (options.qos === 1) return;
    const twice = texts.filter((text, place) => isQos2(text) && texts.indexOf(text) !== place);
    if (twice.length > 0) this.#violations.push(`${options.id} took twice in ${topic}: ${twice}`);
  }
}

const isQos2 = (text: string): boolean => text.startsWith("p2");
