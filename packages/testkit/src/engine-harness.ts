// Owns: one node's engine on a manual clock with links that a test fills and empties by hand.
import { type ContractDefinition, compileContract, type Identity } from "@holdfast/contract";
import {
  type ApplicationPorts,
  type Authenticator,
  type Connection,
  createMemoryBroker,
  createNodeEngine,
  createSeededRandom,
  type Link,
  type MemoryBroker,
  type NodeEngine,
  type NodeSettings,
  type Observer,
  type OpenedResume,
} from "@holdfast/core";
import { createNativeDoor, type NativeClient } from "@holdfast/door-native";
import { type ClientFrame, jsonClientCodec, type ServerFrame } from "@holdfast/protocol";
import { payloadFromValue, payloadValue } from "@holdfast/protocol/node";
import { createManualClock, type ManualClock } from "./clock.ts";

/** A link that takes everything until `stalled` is set; then what is sent stays in its buffer. */
export class HandLink implements Link {
  readonly address: string;
  readonly messages: (string | Uint8Array)[] = [];
  readonly groups = new Set<string>();
  stalled = false;
  buffered = 0;
  closedWith: { code: number; reason: string } | undefined;
  wasCut = false;
  paused = false;

  constructor(address = "127.0.0.1") {
    this.address = address;
  }

  send(message: string | Uint8Array): "sent" | "queued" | "closed" {
    if (this.closedWith !== undefined || this.wasCut) return "closed";
    this.messages.push(message);
    if (!this.stalled) return "sent";
    this.buffered += message.length;
    return "queued";
  }

  bufferedBytes(): number {
    return this.buffered;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  close(code: number, reason: string): void {
    this.closedWith ??= { code, reason };
  }

  cut(): void {
    this.wasCut = true;
  }

  join(group: string): void {
    this.groups.add(group);
  }

  leave(group: string): void {
    this.groups.delete(group);
  }
}

/** A client written by hand: frames out, frames in, nothing decided. */
export interface HandClient {
  readonly link: HandLink;
  readonly connection: Connection;
  send(...frames: ClientFrame<unknown>[]): Promise<void>;
  sendText(text: string): Promise<void>;
  /** Frames since the last call. */
  take(): Promise<readonly ServerFrame<unknown>[]>;
  /** The transport loses the connection. */
  lose(): Promise<void>;
  /** The client closes the connection in order, without a word. */
  close(): Promise<void>;
  /** The network takes what was buffered. */
  drain(): Promise<void>;
}

/** One engine with a memory broker, a manual clock and clients that a test moves by hand. */
export interface EngineHarness {
  readonly clock: ManualClock;
  readonly engine: NodeEngine;
  readonly broker: MemoryBroker;
  readonly observed: string[];
  readonly bugs: unknown[];
  /** A link that groups reach, for doors that a test opens itself. */
  link(address?: string): HandLink;
  open(options?: { address?: string }): HandClient;
  /** Opens, connects, and forgets the answer. */
  connect(frame?: Partial<Extract<ClientFrame, { t: "connect" }>>): Promise<HandClient>;
  /** Goes on in steps, letting promises settle between them. */
  advance(ms: number): Promise<void>;
  settle(): Promise<void>;
}

/** The contract, the settings and the parts that a test brings itself. */
export interface HarnessOptions {
  readonly contract: ContractDefinition;
  readonly settings: NodeSettings;
  readonly broker?: MemoryBroker;
  readonly clock?: ManualClock;
  /** Token text to identity; tokens not in it are refused. */
  readonly tokens?: Readonly<Record<string, Identity>>;
  readonly anonymous?: boolean;
  /** What the contract's code gets. Absent: no dependencies, and a log that goes nowhere. */
  readonly application?: ApplicationPorts;
  readonly wrapBroker?: (
    broker: ReturnType<MemoryBroker["connect"]>,
  ) => ReturnType<MemoryBroker["connect"]>;
}

const STEP_MS = 5;

/** Makes a started engine for tests. It rejects if the contract has problems. */
export async function createEngineHarness(options: HarnessOptions): Promise<EngineHarness> {
  const clock = options.clock ?? createManualClock();
  const random = createSeededRandom(1);
  const broker = options.broker ?? createMemoryBroker({ clock, random });
  const values = { toValue: payloadValue, fromValue: payloadFromValue };
  const compiled = compileContract(options.contract, {
    channelLengthMax: 255,
    defaultRule: "anyone",
    values,
  });
  if (!compiled.ok) throw new Error(compiled.problems.join("\n"));
  const observed: string[] = [];
  const bugs: unknown[] = [];
  const members = new Set<HandLink>();
  const view = broker.connect(options.settings.nodeId);
  const engine = createNodeEngine({
    clock,
    random,
    broker: options.wrapBroker?.(view) ?? view,
    authenticator: tableAuthenticator(options),
    contract: compiled.contract,
    observer: recordingObserver(observed, bugs),
    groups: {
      publish(group, message) {
        for (const link of members) if (link.groups.has(group)) link.send(message);
      },
    },
    values,
    settings: options.settings,
    ...(options.application === undefined ? {} : { application: options.application }),
  });
  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 20; turn++) {
      await Promise.resolve();
      clock.flush();
    }
  };
  await engine.start();
  const door = createNativeDoor(engine);
  const linkAt = (address?: string): HandLink => {
    const link = new HandLink(address);
    members.add(link);
    return link;
  };
  const open = (at: { address?: string } = {}): HandClient => {
    const link = linkAt(at.address);
    return handClient({ link, client: door.open(link, "json"), settle });
  };
  return {
    clock,
    engine,
    broker,
    observed,
    bugs,
    link: linkAt,
    open,
    settle,
    async connect(frame = {}) {
      const client = open();
      await client.send({ t: "connect", id: 1, ...frame });
      await client.take();
      return client;
    },
    async advance(ms) {
      for (let left = ms; left > 0; left -= STEP_MS) {
        clock.advance(Math.min(STEP_MS, left));
        await settle();
      }
    },
  };
}

interface HandParts {
  readonly link: HandLink;
  readonly client: NativeClient;
  readonly settle: () => Promise<void>;
}

function handClient({ link, client, settle }: HandParts): HandClient {
  const sendText = async (text: string): Promise<void> => {
    client.message(text);
    await settle();
  };
  return {
    link,
    connection: client.connection,
    sendText,
    send: (...frames) =>
      sendText(
        jsonClientCodec.join(frames.map((frame) => jsonClientCodec.encode(frame))) as string,
      ),
    async take() {
      await settle();
      return link.messages.splice(0).flatMap((message) => jsonClientCodec.decode(message));
    },
    async lose() {
      link.wasCut = true;
      client.closed();
      await settle();
    },
    async close() {
      client.closed(true);
      await settle();
    },
    async drain() {
      link.buffered = 0;
      link.stalled = false;
      client.writable();
      await settle();
    },
  };
}

/** Resume tokens are the session and its identity in plain JSON: signing has tests of its own. */
function tableAuthenticator({ tokens = {}, anonymous = true }: HarnessOptions): Authenticator {
  return {
    async verify(token) {
      const identity = Object.hasOwn(tokens, token) ? tokens[token] : undefined;
      return identity === undefined
        ? { ok: false, code: "token_invalid", message: "unknown token" }
        : { ok: true, identity };
    },
    anonymous: () => (anonymous ? {} : undefined),
    issueResume: (session, identity, issuedAtMs, entitled) =>
      JSON.stringify({ session, identity, issuedAtMs, entitled }),
    openResume(token, nowMs) {
      if (!token.startsWith("{")) return undefined;
      const opened: OpenedResume = JSON.parse(token);
      return (opened.identity.expiresAtMs ?? Number.POSITIVE_INFINITY) > nowMs
        ? opened
        : { ...opened, expired: true };
    },
  };
}

function recordingObserver(observed: string[], bugs: unknown[]): Observer {
  const note =
    (name: string) =>
    (...args: readonly unknown[]): void => {
      if (name === "bug") bugs.push(args);
      observed.push(
        `${name} ${args.map((arg) => (typeof arg === "object" ? JSON.stringify(arg) : String(arg))).join(" ")}`,
      );
    };
  return new Proxy({} as Observer, { get: (_target, name) => note(String(name)) });
}

/** Small limits, so that tests reach them. */
export const TEST_SETTINGS: NodeSettings = {
  nodeId: "n1",
  revision: "r1",
  limits: {
    messageBytesMax: 65_536,
    dataBytesMax: 32_768,
    subscriptionsMax: 8,
    channelLengthMax: 100,
    publishesPerSecondMax: 1000,
    rpcsPerSecondMax: 100,
    framesPerSecondMax: 2000,
    publishedBytesPerSecondMax: 50_000_000,
    receivedBytesPerSecondMax: 1024 * 1024,
    answeredBytesPerSecondMax: 1024 * 1024,
    burstFactor: 2,
    rpcsInFlightMax: 4,
    connectionsMax: 100,
    connectionsPerAddressMax: 50,
    connectionsPerUserMax: 3,
    membersMax: 1000,
    presencePerConnectionMax: 8,
    handshakesInFlightMax: 50,
    keptBytesPerUserMax: 256 * 1024 * 1024,
    nodeReceivedBytesPerSecondMax: 100_000_000,
    nodeAnsweredBytesPerSecondMax: 100_000_000,
    nodePublishedBytesPerSecondMax: 100_000_000,
    nodeChannelsPerSecondMax: 100_000,
    nodeProcessingMsPerSecondMax: 500,
  },
  timeouts: {
    handshakeMs: 5000,
    idleMs: 60_000,
    pingMs: 25_000,
    rpcMs: 5000,
    presenceGraceMs: 3000,
    presenceLeaseMs: 30_000,
    presenceCoalesceMs: 20,
    resumeTtlMs: 600_000,
    clockSkewMs: 0,
  },
  flow: {
    lagBytes: 4096,
    queueBytesMax: 65_536,
    lagMsMax: 10_000,
    slowMs: 250,
    chunkBytes: 2048,
    groupFrom: 5,
  },
  ring: { publicationsMax: 16, bytesMax: 16_384 },
  admission: { handshakesPerSecond: 1000, resumeReserve: 0.3, windowMinMs: 500 },
  fleet: {
    figuresMs: 1000,
    nodeLeaseMs: 5000,
    lagMsMax: 250,
    askMs: 1000,
    rebalance: false,
    rebalanceTolerance: 0.1,
    rebalanceSessionsMin: 2,
    rebalancePerSecond: 20,
    rebalanceCooldownMs: 5000,
  },
  drain: { preDelayMs: 0, windowMs: 5000, perSecondMax: 500 },
};
