// Owns: logs of tests that nodes read: a Kafka broker and a NATS server as processes, with writers.
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { freePort } from "../free-port.ts";
import { neededVariable, type Program, program, takesConnections } from "./program.ts";

/** One record to be written. */
export interface LogRecord {
  /** Topic or subject. */
  readonly name: string;
  readonly key: string;
  readonly value: unknown;
}

export interface TestLog {
  readonly address: string;
  readonly power: Program;
  /** Makes a topic, or a stream that takes the subjects. */
  make(name: string): Promise<void>;
  add(records: readonly LogRecord[]): Promise<void>;
}

/** Name and password of a user that may everything. */
export const KAFKA_USER = { name: "writer", password: "secret-of-kafka" };
export const NATS_USER = { name: "u", password: "secret-of-nats" };

export async function startKafka(folder: string): Promise<TestLog> {
  const [port, readerPort] = [await freePort(), await freePort()];
  const power = program({
    command: [
      neededVariable("KAFKA_BROKER"),
      String(port),
      String(readerPort),
      mkdtempSync(join(folder, "kafka-")),
    ],
    port,
    isReady: async () => (await takesConnections(port)) && (await takesConnections(readerPort)),
  });
  await power.start();
  const address = `127.0.0.1:${port}`;
  const options = { brokers: [address], topic: "{name}", usernameFrom: "U", passwordFrom: "P" };
  const sink = sinkAdapters({ print: async () => {} })
    .find(({ kind }) => kind === "kafka")
    ?.open(
      { sink: "kafka", options },
      {
        ...{ pipeline: "p", partition: 0, output: 0, timeoutMs: 5_000 },
        secret: (name) => (name === "U" ? KAFKA_USER.name : KAFKA_USER.password),
      },
    );
  let sequence = 0;
  return {
    address,
    power,
    async make(topic) {
      await fetch(`http://127.0.0.1:${readerPort}/make?topic=${topic}`);
    },
    async add(records) {
      const batch = { pipeline: "p", partition: 0, output: 0, attempt: 1 };
      await sink?.write({
        ...batch,
        records: records.map(({ name, key, value }) => {
          sequence += 1;
          const id = `r${sequence}`;
          return { id, sequence, key, timeMs: Date.now(), value, params: { name } };
        }),
      });
    },
  };
}

export async function startNats(folder: string): Promise<TestLog> {
  const port = await freePort();
  const data = mkdtempSync(join(folder, "nats-"));
  const file = join(data, "nats.conf");
  const { name: user, password: pass } = NATS_USER;
  await Bun.write(
    file,
    `listen: "127.0.0.1:${port}"
jetstream { store_dir: "${data}" }
authorization { users: [{ user: ${user}, password: "${pass}" }] }
`,
  );
  const power = program({ command: [neededVariable("NATS_SERVER"), "-c", file], port });
  await power.start();
  const address = `127.0.0.1:${port}`;
  const open = () => connect({ servers: address, user, pass });
  return {
    address,
    power,
    async make(name) {
      const connection = await open();
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name, subjects: [`${name}.>`] });
      await connection.close();
    },
    async add(records) {
      const connection = await open();
      const stream = jetstream(connection);
      for (const { name, value } of records) await stream.publish(name, JSON.stringify(value));
      await connection.close();
    },
  };
}
