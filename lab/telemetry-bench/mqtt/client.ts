// Owns: a client of MQTT 3.1.1 as the load needs it: small, and the same work for every broker.
import type { Socket } from "bun";
import { CompareError } from "../../compare/compare-error.ts";
import {
  connectPacket,
  PacketReader,
  PINGREQ,
  type PublishTemplate,
  pubackPacket,
  subscribePacket,
  TYPE,
} from "./packets.ts";

export interface ClientOptions {
  readonly port: number;
  readonly clientId: string;
  /** A session that is not clean outlives its connection. Default: not clean. */
  readonly clean?: boolean;
  readonly keepAliveS?: number;
  /** A message came: its payload is from `from` to `to`. It is acknowledged already. */
  readonly onMessage?: (bytes: Uint8Array, from: number, to: number) => void;
  readonly onAck?: (pid: number) => void;
}

const PID_MAX = 65_535;

export class Client {
  readonly #options: ClientOptions;
  readonly #reader = new PacketReader();
  readonly #socket = Promise.withResolvers<Socket>();
  readonly #answers: ((answer: Uint8Array) => void)[] = [];
  #open: Socket | undefined;
  #unsent: Uint8Array[] = [];
  #acks: Uint8Array[] = [];
  #pid = 0;
  #isClosing = false;
  /** Why it is of no use any more. */
  failure: string | undefined;

  private constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** Resolves when the broker has accepted it. */
  static async connect(options: ClientOptions): Promise<Client> {
    const client = new Client(options);
    await client.#begin();
    return client;
  }

  async subscribe(filter: string): Promise<void> {
    const answer = await this.#ask(subscribePacket(++this.#pid, filter));
    if (answer[2] !== 1) throw failed(`SUBACK with ${answer[2]}, expected QoS 1`);
  }

  /** The packet identifier. The template's payload is written already. */
  publish({ bytes, pidAt }: PublishTemplate): number {
    this.#pid = this.#pid === PID_MAX ? 1 : this.#pid + 1;
    bytes[pidAt] = this.#pid >> 8;
    bytes[pidAt + 1] = this.#pid & 0xff;
    this.#write(bytes);
    return this.#pid;
  }

  ping(): void {
    this.#write(PINGREQ);
  }

  close(): void {
    this.#isClosing = true;
    this.#open?.end();
  }

  async #begin(): Promise<void> {
    const { port, clientId, clean = false, keepAliveS = 60 } = this.#options;
    await Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        binaryType: "uint8array",
        open: (socket) => this.#socket.resolve(socket),
        data: (_socket, chunk) => this.#take(chunk),
        drain: () => this.#drain(),
        error: (_socket, error) => this.#failed(error.message),
        close: () => this.#failed("the broker closed the connection"),
      },
    });
    this.#open = await this.#socket.promise;
    this.#open.setNoDelay(true);
    const answer = await this.#ask(connectPacket({ clientId, clean, keepAliveS }));
    if (answer[1] !== 0) throw failed(`CONNACK with ${answer[1]}, expected 0`);
  }

  #ask(request: Uint8Array): Promise<Uint8Array> {
    if (this.failure !== undefined) return Promise.reject(failed(this.failure));
    return new Promise((resolve, reject) => {
      this.#answers.push((answer) =>
        answer.length === 0 ? reject(failed(this.failure ?? "nothing")) : resolve(answer),
      );
      this.#write(request);
    });
  }

  #take(chunk: Uint8Array): void {
    this.#reader.read(chunk, (first, bytes, from, to) => this.#packet(first, bytes, from, to));
    if (this.#acks.length === 0) return;
    const acks = this.#acks;
    this.#acks = [];
    this.#write(acks.length === 1 ? (acks[0] as Uint8Array) : Buffer.concat(acks));
  }

  #packet(first: number, bytes: Uint8Array, from: number, to: number): void {
    const type = first >> 4;
    if (type === TYPE.puback)
      return this.#options.onAck?.(((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0));
    if (type === TYPE.pingresp) return;
    if (type !== TYPE.publish) return this.#answers.shift()?.(bytes.slice(from, to));
    const topicBytes = ((bytes[from] ?? 0) << 8) | (bytes[from + 1] ?? 0);
    let at = from + 2 + topicBytes;
    if ((first & 6) !== 0) {
      this.#acks.push(pubackPacket(((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)));
      at += 2;
    }
    this.#options.onMessage?.(bytes, at, to);
  }

  #write(bytes: Uint8Array): void {
    if (this.#open === undefined || this.failure !== undefined) return;
    if (this.#unsent.length > 0) return void this.#unsent.push(bytes.slice());
    const written = this.#open.write(bytes);
    if (written < bytes.length) this.#unsent.push(bytes.slice(Math.max(0, written)));
  }

  #drain(): void {
    const unsent = this.#unsent;
    this.#unsent = [];
    for (const bytes of unsent) this.#write(bytes);
  }

  #failed(why: string): void {
    if (this.#isClosing) return;
    this.failure ??= why;
    for (const answer of this.#answers.splice(0)) answer(new Uint8Array());
  }
}

const failed = (found: string): CompareError =>
  new CompareError("load_failed", `Cannot use a client of MQTT: found ${found}`);

/** Connects many, some at a time, so that no broker's backlog overflows. */
export async function connectAll(
  count: number,
  options: (n: number) => ClientOptions,
  then: (client: Client, n: number) => Promise<void> = async () => {},
): Promise<Client[]> {
  const clients: Client[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const n = next++;
      const client = await Client.connect(options(n));
      clients[n] = client;
      await then(client, n);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return clients;
}

const LANES = 50;
