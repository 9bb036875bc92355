// Owns: a name server on loopback for tests: it answers as its table says, or not at all.
import { createSocket, type Socket } from "node:dgram";

export type Answer =
  | { readonly kind: "a"; readonly addresses: readonly string[] }
  | {
      readonly kind: "srv";
      readonly targets: readonly {
        readonly name: string;
        readonly port: number;
        readonly priority: number;
        readonly weight: number;
      }[];
    }
  /** NXDOMAIN, SERVFAIL, an answer without records, bytes that are none, silence. */
  | { readonly kind: "unknown" | "broken" | "empty" | "garbage" | "silent" };

const RCODES: Readonly<Record<string, number>> = { unknown: 3, broken: 2 };

export class DnsServer {
  readonly #socket: Socket;
  answer: Answer = { kind: "unknown" };
  asked = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("message", (question, from) => {
      this.asked += 1;
      const reply = this.#reply(question);
      if (reply !== undefined) socket.send(reply, from.port, from.address);
    });
  }

  static start(): Promise<DnsServer> {
    const socket = createSocket("udp4");
    return new Promise((resolve) => {
      socket.bind(0, "127.0.0.1", () => resolve(new DnsServer(socket)));
    });
  }

  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  stop(): void {
    this.#socket.close();
  }

  #reply(question: Buffer): Buffer | undefined {
    const { answer } = this;
    if (answer.kind === "silent") return undefined;
    if (answer.kind === "garbage") return Buffer.from("nothing of DNS");
    // The question: a name, then two bytes each of type and class.
    let end = 12;
    while ((question[end] ?? 0) !== 0) end += (question[end] ?? 0) + 1;
    end += 5;
    const records = recordsOf(answer);
    const header = Buffer.alloc(12);
    question.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8180 | (RCODES[answer.kind] ?? 0), 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, question.subarray(12, end), ...records]);
  }
}

function recordsOf(answer: Answer): readonly Buffer[] {
  if (answer.kind === "a")
    return answer.addresses.map((address) =>
      record(1, Buffer.from(address.split(".").map(Number))),
    );
  if (answer.kind !== "srv") return [];
  return answer.targets.map(({ name, port, priority, weight }) => {
    const numbers = Buffer.alloc(6);
    numbers.writeUInt16BE(priority, 0);
    numbers.writeUInt16BE(weight, 2);
    numbers.writeUInt16BE(port, 4);
    return record(33, Buffer.concat([numbers, nameBytes(name)]));
  });
}

function record(type: number, data: Buffer): Buffer {
  const head = Buffer.alloc(12);
  // The name of the question, by a pointer to it.
  head.writeUInt16BE(0xc00c, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(5, 6);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split(".").filter((label) => label !== "");
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}
