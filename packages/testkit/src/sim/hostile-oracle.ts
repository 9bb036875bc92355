// Owns: judging that a hostile client costs a node no more than documented: what waits for it, what
// is held of it, and how much is read for it at once (docs/operations/limits.md).
import type { NodeSettings } from "@holdfast/core";
import { FRAMES_PER_MESSAGE_MAX } from "@holdfast/protocol";
import type { HostileClient } from "./hostile-client.ts";
import type { SimNode } from "./sim-node.ts";
import type { Verdict } from "./verdict.ts";

/** What a frame, and a request that waits on its channel, count besides their text. */
const FRAME_BYTES = 128;
const REQUEST_BYTES = 1024;
/** Until so much is held the node reads on. */
const READ_AHEAD_BYTES = 16 * 1024;
/** Answers that say no: they are not counted each by its length. */
const REFUSALS_BYTES = 32 * 1024;
/** What a connection began, it may still end after the connection. */
const FORGOTTEN_AFTER_MS = 5000;

export class HostileOracle {
  readonly #clients: readonly HostileClient[];
  readonly #verdict: Verdict;
  readonly #unsentMax: number;
  readonly #heldMax: number;
  /** What nodes read of a channel for themselves, after the broker misbehaved. */
  readonly #readsPerChannel: number;
  /** Reads of history that are under way, by node and client. */
  readonly #reads = new Map<string, number>();

  constructor(
    clients: readonly HostileClient[],
    { limits, flow }: Pick<NodeSettings, "limits" | "flow">,
    options: { readonly verdict: Verdict; readonly readsPerChannel: number },
  ) {
    this.#clients = clients;
    this.#verdict = options.verdict;
    this.#readsPerChannel = options.readsPerChannel;
    const answer = Math.min(limits.messageBytesMax, flow.queueBytesMax / 4);
    this.#unsentMax = flow.lagBytes + answer + REFUSALS_BYTES;
    // A message that was begun, one that was read when the node stopped reading, and the requests
    // of one that wait on their channels.
    const message = limits.messageBytesMax + FRAME_BYTES * (1 + FRAMES_PER_MESSAGE_MAX);
    const requests = limits.messageBytesMax + REQUEST_BYTES * FRAMES_PER_MESSAGE_MAX;
    this.#heldMax = READ_AHEAD_BYTES + 2 * message + requests;
  }

  get clients(): readonly HostileClient[] {
    return this.#clients;
  }

  judge(nodes: readonly SimNode[]): void {
    for (const client of this.#clients) {
      for (const { server } of client.connections())
        if (server.offeredBytesPeak > this.#unsentMax)
          this.#verdict.broken(
            "H4",
            `${server.process.name} had ${server.offeredBytesPeak} bytes for ${client.plan.name}, at most ${this.#unsentMax}`,
          );
    }
    for (const node of nodes) {
      const connections = this.#clients.reduce(
        (sum, { plan }) => sum + node.connectionsOf(plan.name, Number.POSITIVE_INFINITY),
        0,
      );
      const { heldBytes } = node.engine.info();
      // Honest clients have a message or two that wait.
      const max = (connections + 1) * this.#heldMax;
      if (heldBytes > max)
        this.#verdict.broken("H4", `${node.name} holds ${heldBytes} bytes, at most ${max}`);
    }
  }

  /** A node begins to read history; call the result when it has ended. */
  reads(node: SimNode, channel: string, nowMs: number): () => void {
    const client = this.#clients.find(({ plan }) => plan.channels.includes(channel));
    if (client === undefined) return () => {};
    const key = `${node.name} ${client.plan.name}`;
    const count = (this.#reads.get(key) ?? 0) + 1;
    this.#reads.set(key, count);
    const connections = node.connectionsOf(client.plan.name, nowMs - FORGOTTEN_AFTER_MS);
    if (count > connections + this.#readsPerChannel * client.plan.channels.length)
      this.#verdict.broken(
        "H4",
        `${node.name} has ${count} reads under way for ${connections} connections of ${client.plan.name}`,
      );
    return () => void this.#reads.set(key, (this.#reads.get(key) ?? 1) - 1);
  }
}
