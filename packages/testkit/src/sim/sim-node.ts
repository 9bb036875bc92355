// Owns: one node of a run: the real engine in a simulated process, its broker view, its sockets and
// their groups.

import { type ContractDefinition, compileContract } from "@holdfast/contract";
import type { SeededRandom } from "@holdfast/core";
import {
  type Authenticator,
  type Broker,
  createNodeEngine,
  type Link,
  type NodeEngine,
  type NodePorts,
  type NodeSettings,
  type Observer,
} from "@holdfast/core";
import { createNativeDoor, type NativeDoor } from "@holdfast/door-native";
import { SUBPROTOCOL_JSON } from "@holdfast/protocol";
import { payloadBytes, payloadFromValue, payloadValue } from "@holdfast/protocol/node";
import { createSimAuthenticator } from "./authentication.ts";
import type { FaultyView } from "./broker-view.ts";
import type { End, EndHandlers, Message } from "./connection.ts";
import type { SimProcess } from "./event-loop.ts";
import type { Listener } from "./network.ts";

export interface SimNodeOptions {
  readonly settings: NodeSettings;
  readonly contract: ContractDefinition;
  readonly process: SimProcess;
  readonly view: FaultyView;
  /** What the engine uses of the view; a test may put something broken in between. */
  readonly broker: Broker;
  readonly random: SeededRandom;
  readonly verifyMs: number;
  /** For tests that break the check of tokens on purpose. */
  wrapAuthenticator(authenticator: Authenticator): Authenticator;
  /** Something that must not happen did. */
  bug(where: string, error: unknown): void;
  /**
   * A message is about to leave the node for a client, named by its process. The answer leaves
   * instead; undefined: nothing does.
   */
  sending(client: string, message: Message): Message | undefined;
}

/** A node from its start until it is stopped or killed. */
export class SimNode implements Listener {
  readonly name: string;
  readonly process: SimProcess;
  readonly view: FaultyView;
  readonly engine: NodeEngine;
  readonly #door: NativeDoor;
  readonly #options: SimNodeOptions;
  readonly #groups = new Map<string, Set<End>>();
  /** How often each connection was asked to go because of a drain. */
  readonly #notices = new WeakMap<End, number>();
  /** When each client's connections ended, as far as the node was told; Infinity: it was not. */
  readonly #ends = new Map<string, Map<End, number>>();
  /** Drains that were begun here. */
  drains = 0;

  constructor(options: SimNodeOptions) {
    this.name = options.settings.nodeId;
    this.process = options.process;
    this.view = options.view;
    this.#options = options;
    this.engine = createNodeEngine(this.#ports());
    this.#door = createNativeDoor(this.engine);
  }

  /** Tries until the broker can be reached. */
  start(ready: () => void): void {
    this.engine.start().then(ready, () => this.process.clock.after(300, () => this.start(ready)));
  }

  /** A connection without a network, in JSON. */
  dial(link: Link): ReturnType<ReturnType<NativeDoor["accept"]>["open"]> {
    return this.#door.accept(SUBPROTOCOL_JSON).open(link);
  }

  accept(end: End, subprotocol: string): EndHandlers {
    const reading = new PausedReading(this.process);
    const name = end.peer.process.name;
    const ends = this.#ends.get(name) ?? new Map<End, number>();
    this.#ends.set(name, ends.set(end, Number.POSITIVE_INFINITY));
    const client = this.#door.accept(subprotocol).open(this.#linkOf(end, reading));
    return {
      message: (message) => {
        end.unreadBytes += message.length;
        reading.told(() => {
          end.unreadBytes -= message.length;
          client.message(message);
        });
      },
      closed: () =>
        reading.told(() => {
          ends.set(end, this.process.clock.nowMs());
          for (const members of this.#groups.values()) members.delete(end);
          client.closed();
        }),
      drained: () => client.writable(),
    };
  }

  /** How many connections of a client had not ended at that time; Infinity: have not ended yet. */
  connectionsOf(client: string, sinceMs: number): number {
    const ends = [...(this.#ends.get(client)?.values() ?? [])];
    return ends.filter((endedMs) => endedMs >= sinceMs).length;
  }

  #send(end: End, message: Message): ReturnType<Link["send"]> {
    if (typeof message === "string" && message.includes(NOTICE)) this.#count(end);
    const leaving = this.#options.sending(end.peer.process.name, message);
    return leaving === undefined ? "sent" : end.send(leaving);
  }

  /** One notice each (H6). */
  #count(end: End): void {
    const notices = (this.#notices.get(end) ?? 0) + 1;
    this.#notices.set(end, notices);
    if (notices > this.drains)
      this.#options.bug(
        "drain",
        new Error(`${end.peer.process.name} was asked ${notices} times in ${this.drains} drains`),
      );
  }

  #linkOf(end: End, reading: PausedReading): Link {
    const client = end.peer.process.name;
    return {
      address: client,
      send: (message) => this.#send(end, message),
      bufferedBytes: () => end.out.queuedBytes,
      pause: () => reading.pause(),
      resume: () => reading.resume(),
      close: (code, reason) => end.close(code, reason),
      cut: () => end.cut(),
      join: (group) => {
        const members = this.#groups.get(group);
        if (members === undefined) this.#groups.set(group, new Set([end]));
        else members.add(end);
      },
      leave: (group) => {
        const members = this.#groups.get(group);
        members?.delete(end);
        if (members?.size === 0) this.#groups.delete(group);
      },
    };
  }

  #ports(): NodePorts {
    const { settings, contract, process, random, broker, verifyMs, wrapAuthenticator, bug } =
      this.#options;
    const values = { toValue: payloadValue, fromValue: payloadFromValue, bytes: payloadBytes };
    const compiled = compileContract(contract, {
      channelLengthMax: settings.limits.channelLengthMax,
      defaultRule: "anyone",
      values,
      onError: bug,
    });
    if (!compiled.ok)
      throw new Error(`the contract of the simulation: ${compiled.problems.join("; ")}`);
    return {
      clock: process.clock,
      random,
      broker,
      authenticator: wrapAuthenticator(
        createSimAuthenticator(process.clock, {
          resumeTtlMs: settings.timeouts.resumeTtlMs,
          verifyMs,
        }),
      ),
      contract: compiled.contract,
      observer: { ...QUIET, bug },
      groups: {
        publish: (group, message) => {
          for (const end of this.#groups.get(group) ?? []) this.#send(end, message);
        },
      },
      values,
      settings,
      vitals: () => ({ lagMs: 0, memoryBytes: 0, brokerOk: this.view.reached }),
    };
  }
}

/** Messages, and the end, that nobody is told of while the link is paused: as Bun's sockets do. */
class PausedReading {
  readonly #process: SimProcess;
  readonly #waiting: (() => void)[] = [];
  #paused = false;

  constructor(process: SimProcess) {
    this.#process = process;
  }

  told(tell: () => void): void {
    if (this.#paused || this.#waiting.length > 0) this.#waiting.push(tell);
    else tell();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#process.at(0, () => {
      while (!this.#paused && this.#waiting.length > 0) this.#waiting.shift()?.();
    });
  }
}

/**
 * The beginning of a drain's `migrate` frame in JSON; clients that speak MessagePack are not looked
 * at.
 */
const NOTICE = '"t":"migrate","reason":"drain"';

const QUIET: Observer = {
  handshake() {},
  ended() {},
  published() {},
  delivered() {},
  slowConsumer() {},
  recovered() {},
  gap() {},
  hole() {},
  held() {},
  overShare() {},
  taps() {},
  tapFailed() {},
  authFailed() {},
  requestFailed() {},
  rpc() {},
  experienced() {},
  drainStep() {},
  ordered() {},
  shedStep() {},
  rebalanced() {},
  cameBack() {},
  leaseRenewed() {},
  nodeChanged() {},
  bug() {},
};
