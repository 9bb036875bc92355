// Owns: a process that writes straight into Kafka and PostgreSQL, with their own clients: what the
// sinks alone take, on the same machine, in the same seconds.
import { answerCommands } from "@holdfast/load/processes";
import { Producer } from "@platformatic/kafka";
import { SQL } from "bun";
import { KAFKA_ACCOUNT } from "./servers.ts";

export interface StraightStart {
  readonly kafka: string;
  readonly database: string;
  /** Records of one batch. */
  readonly records: number;
  readonly everyMs: number;
}

const now = (): number => performance.timeOrigin + performance.now();
const VALUE = "x".repeat(60);

let isRunning = false;
let running: Promise<unknown> = Promise.resolve();
let count = 0;

const commands = {
  begin({ kafka, database, records, everyMs }: StraightStart): void {
    const producer = new Producer({
      ...{ clientId: "straight", bootstrapBrokers: [kafka], autocreateTopics: false },
      sasl: {
        mechanism: "SCRAM-SHA-512",
        username: KAFKA_ACCOUNT.user,
        password: KAFKA_ACCOUNT.password,
      },
    });
    const sql = new SQL({ url: database, max: 1 });
    isRunning = true;
    const repeat = async (write: () => Promise<unknown>): Promise<void> => {
      while (isRunning) {
        const beganMs = performance.now();
        await write();
        await Bun.sleep(Math.max(0, beganMs + everyMs - performance.now()));
      }
    };
    const intoKafka = repeat(() => {
      const at = now();
      const messages = Array.from({ length: records }, () => ({
        topic: "straight",
        key: Buffer.from(String(++count)),
        value: Buffer.from(JSON.stringify({ at, value: VALUE })),
      }));
      return producer.send({ messages, acks: -1 });
    });
    const intoTable = repeat(() => {
      const at = now();
      const rows = Array.from({ length: records }, () => ({ n: ++count, at, value: VALUE }));
      return sql.unsafe(
        "INSERT INTO straight SELECT * FROM jsonb_populate_recordset(NULL::straight, $1::text::jsonb)",
        [JSON.stringify(rows)],
      );
    });
    running = Promise.all([intoKafka, intoTable]).finally(async () => {
      await producer.close(true).catch(() => {});
      await sql.close({ timeout: 0 }).catch(() => {});
    });
    running.catch(() => {});
  },
  async end(): Promise<void> {
    isRunning = false;
    await running;
  },
};

export type StraightCommands = typeof commands;
answerCommands(process, commands);
