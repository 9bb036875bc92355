// Owns: what the broker suite needs of an adapter under test, and the tools that its tests share.
import type { StreamOptions } from "@holdfast/contract";
import {
  allMembers,
  type Broker,
  type BrokerErrorCode,
  type ChannelListener,
  type PresenceChange,
  type PresenceMember,
} from "@holdfast/core";
import type { Payload, Publication } from "@holdfast/protocol";

/**
 * One broker and the nodes that connect to it. Made anew for every test: it holds nothing at the
 * start.
 */
export interface BrokerHarness {
  /** Connects a node. A node id may be used once. */
  connect(nodeId: string): Promise<Broker>;
  /** Lets `ms` pass for the broker: moves its clock, or waits. */
  advance(ms: number): Promise<void>;
  /**
   * Lets what is under way arrive; called again and again while a test waits, for at most five
   * seconds. Default: waits 2 ms.
   */
  settle?(): Promise<void>;
  /**
   * Takes the broker out of a node's reach, and back. Where it is absent the tests of reconnection
   * are left out.
   */
  readonly reach?: { cut(nodeId: string): Promise<void>; heal(nodeId: string): Promise<void> };
  /** Ends everything; called after every test. */
  close(): Promise<void>;
}

/** The adapter under test, or its harness, did something that no test can go on from. */
export class ContractError extends Error {
  readonly code = "contract_broken";
  constructor(message: string) {
    super(message);
    this.name = "ContractError";
  }
}

/** One test's harness, with tools bound to it. */
export interface Bench {
  readonly harness: BrokerHarness;
  connect(nodeId: string): Promise<Broker>;
  /** Repeats `check` until it does not throw; throws its last error after five seconds. */
  eventually(check: () => void | Promise<void>): Promise<void>;
}

const EVENTUALLY_MS = 5_000;

export function createBench(harness: BrokerHarness): Bench {
  const settle = harness.settle ?? (() => new Promise<void>((resolve) => setTimeout(resolve, 2)));
  return {
    harness,
    connect: (nodeId) => harness.connect(nodeId),
    async eventually(check) {
      const untilMs = performance.now() + EVENTUALLY_MS;
      for (;;) {
        await settle();
        try {
          return await check();
        } catch (error) {
          if (performance.now() >= untilMs) throw error;
        }
      }
    },
  };
}

export const ORDERED: StreamOptions = { cls: "ordered", sizeMax: 100, ttlMs: 60_000 };
export const DURABLE: StreamOptions = { cls: "durable", sizeMax: 100, ttlMs: 60_000 };
export const LATEST: StreamOptions = { cls: "latest", sizeMax: 100, ttlMs: 60_000 };
export const VOLATILE: StreamOptions = { cls: "volatile", sizeMax: 0, ttlMs: 60_000 };

export const json = (value: unknown): Payload => ({ kind: "json", text: JSON.stringify(value) });

/** A listener that writes down what it hears. */
export class Recorder implements ChannelListener {
  readonly heard: { readonly publication: Publication; readonly epoch: string }[] = [];
  readonly changes: PresenceChange[] = [];
  /** "published 1", "removed 1", in the order in which they came. */
  readonly order: string[] = [];

  publication(publication: Publication, epoch: string): void {
    this.heard.push({ publication, epoch });
    this.order.push(`published ${publication.offset}`);
  }

  removed(offset: number): void {
    this.order.push(`removed ${offset}`);
  }

  presence(change: PresenceChange): void {
    this.changes.push(change);
  }

  get offsets(): number[] {
    return this.heard.map(({ publication }) => publication.offset);
  }

  get texts(): string[] {
    return this.heard.map(({ publication }) => textOf(publication.payload));
  }

  /** "join a", "update a", "leave a". */
  get told(): string[] {
    return this.changes.map(
      (change) =>
        `${change.kind} ${change.kind === "leave" ? change.member : change.member.member}`,
    );
  }
}

export const offsetsOf = (publications: readonly Publication[]): number[] =>
  publications.map(({ offset }) => offset);

export const textOf = (payload: Payload): string =>
  payload.kind === "json" ? payload.text : `${payload.kind}:${hexOf(payload.bytes)}`;

/** Payloads compared by content, whatever class holds the bytes. */
export const plain = (payload: Payload): { readonly kind: string; readonly content: string } => ({
  kind: payload.kind,
  content: payload.kind === "json" ? payload.text : hexOf(payload.bytes),
});

/** Every member, from all pages. */
export const membersOf = async (broker: Broker, channel: string): Promise<PresenceMember[]> => [
  ...(await allMembers(broker.presence, channel)).values(),
];

export const memberIds = (members: readonly PresenceMember[]): string[] =>
  members.map(({ member }) => member).sort();

/** Whole numbers from `first` to `last`. */
export const range = (first: number, last: number): number[] =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);

/** The code with which a call was refused; throws when it was not, or not with a BrokerError. */
export async function refusalOf(call: Promise<unknown>): Promise<BrokerErrorCode> {
  const error = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof Error && error.name === "BrokerError" && "code" in error)
    return error.code as BrokerErrorCode;
  throw new ContractError(`Cannot continue: found ${String(error)}, expected a BrokerError`);
}

function hexOf(bytes: Uint8Array): string {
  let hex = "";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return hex;
}
