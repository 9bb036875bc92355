// Owns: measuring a steady flow of messages of QoS 1: what each costs the broker, and how long it
// takes.
import { setImmediate } from "node:timers";
import { Times } from "@holdfast/load";
import { CompareError } from "../../compare/compare-error.ts";
import { eventually } from "../../prove/prove-error.ts";
import type { Broker } from "./brokers.ts";
import { type Client, connectAll } from "./client.ts";
import { type PublishTemplate, publishTemplate } from "./packets.ts";
import { payloadBytes, readNumber, readPublisher, writeNumber, writePublisher } from "./payload.ts";

export interface FlowSize {
  readonly publishers: number;
  readonly subscribers: number;
  readonly messagesPerSecond: number;
}

export interface FlowRules {
  readonly payloadBytes: number;
  /** Messages as fast as they are acknowledged, until every runtime has compiled its hot code. */
  readonly warmUpMessages: number;
  /** The flow itself before it is measured. */
  readonly leadMs: number;
  readonly windowMs: number;
}

/** CPU is that of the broker without Redis. A delivery is a message at one subscriber. */
export interface FlowFigures {
  readonly messages: number;
  readonly deliveries: number;
  readonly userUsPerMessage: number;
  readonly systemUsPerMessage: number;
  /** From PUBLISH to PUBACK. */
  readonly ackP50Ms: number;
  readonly ackP99Ms: number;
  /** From PUBLISH to the subscriber. */
  readonly deliveryP50Ms: number;
  readonly deliveryP99Ms: number;
  /** Lost, doubled or out of order: must be 0. */
  readonly wrong: number;
  readonly loadUsPerMessage: number;
  readonly redisUsPerMessage?: number;
}

const IN_FLIGHT_WARM = 20;
const SETTLE_MS = 10_000;
/** A broker that is later than this at the median is at its end. */
const HELD_P50_MS_MAX = 250;

/** Throws `CompareError` if the broker does not hold the pace. */
export async function measureFlow(
  broker: Broker,
  size: FlowSize,
  rules: FlowRules,
): Promise<FlowFigures> {
  const flow = new Flow(size, rules);
  try {
    await flow.connect(broker.port);
    await flow.warmUp(rules.warmUpMessages);
    await flow.steady(rules.leadMs, false);
    const before = { broker: broker.usage(), redis: broker.redisUsage(), load: process.cpuUsage() };
    const messages = await flow.steady(rules.windowMs, true);
    const after = { broker: broker.usage(), redis: broker.redisUsage() };
    const load = process.cpuUsage(before.load);
    await flow.settled();
    const { ack, delivery } = flow;
    const figures = {
      messages,
      deliveries: messages * size.subscribers,
      userUsPerMessage: (after.broker.userUs - before.broker.userUs) / messages,
      systemUsPerMessage: (after.broker.systemUs - before.broker.systemUs) / messages,
      ackP50Ms: ack.summary().p50Us / 1000,
      ackP99Ms: ack.summary().p99Us / 1000,
      deliveryP50Ms: delivery.summary().p50Us / 1000,
      deliveryP99Ms: delivery.summary().p99Us / 1000,
      wrong: flow.wrong(),
      loadUsPerMessage: (load.user + load.system) / messages,
      ...(after.redis === undefined || before.redis === undefined
        ? {}
        : {
            redisUsPerMessage:
              (after.redis.userUs +
                after.redis.systemUs -
                before.redis.userUs -
                before.redis.systemUs) /
              messages,
          }),
    };
    if (!(figures.deliveryP50Ms <= HELD_P50_MS_MAX))
      throw new CompareError(
        "load_failed",
        `Cannot measure: found deliveries of which half are later than ${figures.deliveryP50Ms} ms, expected a broker that holds the pace`,
      );
    return figures;
  } finally {
    flow.close();
  }
}

interface Publisher {
  readonly client: Client;
  readonly template: PublishTemplate;
  /** When the message with this packet identifier was due. */
  readonly dueMs: Float64Array;
}

interface Subscriber {
  received: number;
  doubled: number;
  /** Last number of each publisher. */
  readonly last: Int32Array;
}

class Flow {
  ack = new Times();
  delivery = new Times();
  readonly #size: FlowSize;
  readonly #rules: FlowRules;
  readonly #publishers: Publisher[] = [];
  readonly #subscribers: Subscriber[] = [];
  readonly #clients: Client[] = [];
  /** By number of the message. */
  readonly #dueMs: number[] = [];
  #acknowledged = 0;
  #delivered = 0;
  #isRecorded = false;
  #next = 0;

  constructor(size: FlowSize, rules: FlowRules) {
    this.#size = size;
    this.#rules = rules;
  }

  async connect(port: number): Promise<void> {
    const { publishers, subscribers } = this.#size;
    for (let n = 0; n < subscribers; n++)
      this.#subscribers.push({
        received: 0,
        doubled: 0,
        last: new Int32Array(publishers).fill(-1),
      });
    const listening = await connectAll(
      subscribers,
      (n) => ({
        port,
        clientId: `subscriber-${n}`,
        onMessage: (bytes, from) => this.#received(n, bytes, from),
      }),
      (client) => client.subscribe(TOPIC),
    );
    const payload = payloadBytes(this.#rules.payloadBytes);
    const writing = await connectAll(publishers, (n) => ({
      port,
      clientId: `publisher-${n}`,
      onAck: (pid) => this.#acked(n, pid),
    }));
    this.#clients.push(...listening, ...writing);
    for (const [n, client] of writing.entries()) {
      const template = publishTemplate(TOPIC, payload.length);
      template.bytes.set(payload, template.payloadAt);
      writePublisher(template.bytes, template.payloadAt, n);
      this.#publishers.push({ client, template, dueMs: new Float64Array(65_536) });
    }
  }

  async warmUp(messages: number): Promise<void> {
    const last = this.#next + messages;
    while (this.#next < last) {
      this.#check();
      const isOpen =
        this.#next - this.#acknowledged < IN_FLIGHT_WARM &&
        this.#next * this.#size.subscribers - this.#delivered <
          IN_FLIGHT_WARM * this.#size.subscribers;
      if (isOpen) this.#send(performance.now());
      else await turn();
    }
    await this.settled();
  }

  /** Random moments around the pace; a slow broker does not delay them. Messages sent. */
  async steady(ms: number, isRecorded: boolean): Promise<number> {
    this.#isRecorded = isRecorded;
    const [first, startMs] = [this.#next, performance.now()];
    const meanMs = 1000 / this.#size.messagesPerSecond;
    let dueMs = startMs;
    while (dueMs < startMs + ms) {
      this.#check();
      if (dueMs <= performance.now()) {
        this.#send(dueMs);
        dueMs -= Math.log(1 - Math.random()) * meanMs;
      } else await turn();
    }
    return this.#next - first;
  }

  async settled(): Promise<void> {
    const isDone = () =>
      this.#acknowledged >= this.#next && this.#delivered >= this.#next * this.#size.subscribers;
    await eventually("every message arrives", isDone, { timeoutMs: SETTLE_MS }).catch(() => {});
    this.#isRecorded = false;
  }

  wrong(): number {
    return this.#subscribers.reduce(
      (sum, { received, doubled }) => sum + (this.#next - received) + doubled,
      0,
    );
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  #send(dueMs: number): void {
    const publisher = this.#publishers[this.#next % this.#publishers.length] as Publisher;
    const { client, template } = publisher;
    writeNumber(template.bytes, template.payloadAt, this.#next);
    this.#dueMs[this.#next++] = dueMs;
    publisher.dueMs[client.publish(template)] = dueMs;
  }

  #acked(n: number, pid: number): void {
    this.#acknowledged += 1;
    const dueMs = this.#publishers[n]?.dueMs[pid] ?? 0;
    if (this.#isRecorded) this.ack.record((performance.now() - dueMs) * 1000);
  }

  #received(n: number, bytes: Uint8Array, from: number): void {
    const subscriber = this.#subscribers[n] as Subscriber;
    const [number, publisher] = [readNumber(bytes, from), readPublisher(bytes, from)];
    if (number <= (subscriber.last[publisher] ?? -1)) {
      subscriber.doubled += 1;
      return;
    }
    subscriber.last[publisher] = number;
    subscriber.received += 1;
    this.#delivered += 1;
    if (this.#isRecorded)
      this.delivery.record((performance.now() - (this.#dueMs[number] ?? 0)) * 1000);
  }

  #check(): void {
    const failed = this.#publishers.find(({ client }) => client.failure !== undefined);
    if (failed === undefined) return;
    throw new CompareError("load_failed", `Cannot measure: ${failed.client.failure}`);
  }
}

const TOPIC = "bench";

/** One turn of the event loop: what has arrived is read. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
