// Owns: a process that writes straight into Kafka and PostgreSQL, with their own clients: what the
// sinks alone take, on the same machine, in the same seconds.
import { answerCommands } from "@holdfast/load/processes";
import { Producer } from "@platformatic/kafka";
import { SQL } from "bun";
import { KAFKA_ACCOUNT } from "./servers.ts";

export interface StraightStart {
  readonly kafka: string;
  readonly database: string;
  /** Writers for each server, each with one write under way: as pipelines have partitions. */
  readonly writers: number;
  /** Records for each server, of all writers together. */
  readonly perSecond: number;
}

const now = (): number => performance.timeOrigin + performance.now();
/** About as long as a result. */
const VALUE = "x".repeat(40);
const TICK_MS = 4;
const BATCH_MAX = 500;

let count = 0;
let timer: ReturnType<typeof setInterval> | undefined;
const writing = new Set<Promise<unknown>>();
let close = async (): Promise<void> => {};

/** Records wait while the write before is under way, and then go together. */
class Writer {
  readonly #write: (records: readonly StraightRecord[]) => Promise<unknown>;
  readonly #waiting: StraightRecord[] = [];
  #isWriting = false;

  constructor(write: (records: readonly StraightRecord[]) => Promise<unknown>) {
    this.#write = write;
  }

  push(record: StraightRecord): void {
    this.#waiting.push(record);
    if (!this.#isWriting) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isWriting = true;
    while (this.#waiting.length > 0) {
      const write = this.#write(this.#waiting.splice(0, BATCH_MAX)).catch(() => {});
      writing.add(write);
      await write;
      writing.delete(write);
    }
    this.#isWriting = false;
  }
}

interface StraightRecord {
  readonly n: number;
  readonly at: number;
  readonly value: string;
}

const commands = {
  begin({ kafka, database, writers, perSecond }: StraightStart): void {
    const producer = new Producer({
      ...{ clientId: "straight", bootstrapBrokers: [kafka], autocreateTopics: false },
      sasl: {
        mechanism: "SCRAM-SHA-512",
        username: KAFKA_ACCOUNT.user,
        password: KAFKA_ACCOUNT.password,
      },
    });
    const sql = new SQL({ url: database, max: writers });
    const many = (write: ConstructorParameters<typeof Writer>[0]): readonly Writer[] =>
      Array.from({ length: writers }, () => new Writer(write));
    const intoKafka = many((records) => {
      const messages = records.map(({ n, at, value }) => ({
        topic: "straight",
        key: Buffer.from(`d${n % 500}`),
        value: Buffer.from(JSON.stringify({ n, at, value })),
      }));
      return producer.send({ messages, acks: -1 });
    });
    const intoTable = many((records) => sql.unsafe(INSERT, [JSON.stringify(records)]));
    const startMs = now();
    timer = setInterval(() => {
      for (const due = ((now() - startMs) * perSecond) / 1000; count < due; ) {
        count += 1;
        // When it was due, not when this turn came.
        const record = { n: count, at: startMs + (count * 1000) / perSecond, value: VALUE };
        intoKafka[count % writers]?.push(record);
        intoTable[count % writers]?.push(record);
      }
    }, TICK_MS);
    close = async () => {
      await producer.close(true).catch(() => {});
      await sql.close({ timeout: 0 }).catch(() => {});
    };
  },
  async end(): Promise<void> {
    clearInterval(timer);
    await Promise.all(writing);
    await close();
  },
};

const INSERT =
  "INSERT INTO straight SELECT * FROM jsonb_populate_recordset(NULL::straight, $1::text::jsonb)";

export type StraightCommands = typeof commands;
answerCommands(process, commands);
