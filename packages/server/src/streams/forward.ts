// Owns: POSTs for a connection of another node, carried over the bus between nodes. A balancer need
// not send the requests of one client to one node.
import type { Bus, BusMessage } from "@holdfast/core";

/** A POST as it travels. Plain JSON. */
export interface Forwarded {
  readonly id: string;
  readonly send?: number;
  /** Base64. */
  readonly message?: string;
  readonly poll?: number;
  readonly waitMs?: number;
  readonly close?: number;
}

export interface ForwardedAnswer {
  readonly status: number;
  readonly body?: unknown;
}

export interface Forwarding {
  /** Whether a node of this name is alive. */
  knows(node: string): boolean;
  /** Undefined: no answer in time. The bus may lose either way: to ask again does no harm. */
  ask(node: string, asked: Forwarded): Promise<ForwardedAnswer | undefined>;
  /** Answers what other nodes ask. Called once. */
  serve(answer: (asked: Forwarded) => Promise<ForwardedAnswer | undefined>): void;
}

export interface ForwardingOptions {
  readonly nodeId: string;
  readonly bus: Bus;
  /** Names of the nodes that are alive. */
  readonly nodes: () => readonly { readonly node: string }[];
  /** Default 3 s beside the time of a poll. */
  readonly answerMs?: number;
  /** Requests that wait for an answer. At the limit no more are forwarded. Default 1,024. */
  readonly waitingMax?: number;
}

const ASK = "http_ask";
const ANSWER = "http_answer";
const ANSWER_MS = 3_000;
const WAITING_MAX = 1_024;
/** A poll that is passed on waits for less. */
const POLL_MS_MAX = 5_000;
/** How long a node is waited for that nobody has heard of. */
const UNKNOWN_MS = 1_000;

export function createForwarding(options: ForwardingOptions): Forwarding {
  const { nodeId, bus, nodes, answerMs = ANSWER_MS, waitingMax = WAITING_MAX } = options;
  const waiting = new Map<number, (answer: ForwardedAnswer | undefined) => void>();
  let number = 0;
  let answerTo: Parameters<Forwarding["serve"]>[0] = async () => undefined;
  const say = (kind: string, to: string, more: object): void =>
    void bus.send({ kind, from: nodeId, to, ...more }).catch(() => {});
  bus.listen((message: BusMessage) => {
    if (message.to !== nodeId) return;
    if (message.kind === ANSWER) {
      const {
        number: of,
        status,
        body,
      } = message as unknown as ForwardedAnswer & { number: number };
      waiting.get(of)?.({ status, body });
      return;
    }
    if (message.kind !== ASK) return;
    const { number: of, asked } = message as unknown as { number: number; asked: Forwarded };
    void answerTo(asked).then((answer) => {
      if (answer !== undefined) say(ANSWER, message.from, { number: of, ...answer });
    });
  });
  return {
    knows: (node) => nodes().some((one) => one.node === node),
    serve(answer) {
      answerTo = answer;
    },
    ask(node, asked) {
      if (waiting.size >= waitingMax) return Promise.resolve(undefined);
      number += 1;
      const mine = number;
      return new Promise((resolve) => {
        const done = (answer: ForwardedAnswer | undefined): void => {
          clearTimeout(timer);
          waiting.delete(mine);
          resolve(answer);
        };
        // Nobody waits long for a node that may be dead.
        const isKnown = nodes().some((one) => one.node === node);
        const waitMs = Math.min(asked.waitMs ?? 0, isKnown ? POLL_MS_MAX : 0);
        const timer = setTimeout(done, (isKnown ? answerMs : UNKNOWN_MS) + waitMs, undefined);
        waiting.set(mine, done);
        const poll = asked.poll === undefined ? {} : { waitMs };
        say(ASK, node, { number: mine, asked: { ...asked, ...poll } });
      });
    },
  };
}
