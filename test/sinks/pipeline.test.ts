// Owns: a pipeline on the command's node, from a publish to PostgreSQL, Kafka and a file, while the
// database dies and a record is one that no table takes.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Holdfast } from "@holdfast/client";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { startPostgres } from "./postgres-server.ts";
import { neededVariable, program, takesConnections } from "./program.ts";

setDefaultTimeout(patience(60_000));

const folder = mkdtempSync(join(tmpdir(), "holdfast-telemetry-"));
const [kafkaPort, readerPort, port, internalPort] = await Promise.all([
  freePort(),
  freePort(),
  freePort(),
  freePort(),
]);
const database = await startPostgres();
const kafka = program({
  command: [
    neededVariable("KAFKA_BROKER"),
    String(kafkaPort),
    String(readerPort),
    join(folder, "k"),
  ],
  port: kafkaPort,
  isReady: async () => (await takesConnections(kafkaPort)) && (await takesConnections(readerPort)),
});
await kafka.start();

const CONTRACT = `
import { defineContract } from "@holdfast/contract";
import { channel, from, pipeline } from "@holdfast/pipelines";
import { file, kafka, postgres } from "@holdfast/sinks";

const open = { subscribe: "anyone", publish: "anyone", history: "anyone" };
const account = { usernameFrom: "KAFKA_USER", passwordFrom: "KAFKA_PASSWORD" };
const heat = pipeline(from("in:{site}"), { start: "oldest" })
  .filter((r) => r.value >= 0)
  .to(postgres({ urlFrom: "DATABASE_URL", table: "readings", idColumn: "id" }))
  .to(kafka({ brokers: ["127.0.0.1:${kafkaPort}"], topic: "heat.{site}", ...account }))
  .to(file(${JSON.stringify(join(folder, "heat.ndjson"))}))
  .on("dead", channel("dead"));

export default defineContract({
  channels: { "in:{site}": { permissions: open }, dead: { permissions: open } },
  pipelines: { heat },
});
`;

const main = join(import.meta.dir, "../../apps/holdfast/src/main.ts");
// Beside this test, so that the contract finds the packages.
const contract = join(import.meta.dir, `pipeline-contract-${process.pid}.tmp.ts`);
writeFileSync(contract, CONTRACT);
const node = program({
  command: [process.execPath, main, "serve", "--contract", contract],
  port,
  env: {
    HOLDFAST_HOST: "127.0.0.1",
    HOLDFAST_PORT: String(port),
    HOLDFAST_INTERNAL_HOST: "127.0.0.1",
    HOLDFAST_INTERNAL_PORT: String(internalPort),
    HOLDFAST_AUTH_INSECURE: "true",
    DATABASE_URL: database.url("postgres", "secret-of-the-superuser"),
    KAFKA_USER: "writer",
    KAFKA_PASSWORD: "secret-of-kafka",
  },
  isReady: async () =>
    (await fetch(`http://127.0.0.1:${internalPort}/readyz`).catch(() => undefined))?.ok === true,
});
let client: Holdfast | undefined;
afterAll(async () => {
  await client?.close();
  await node.kill();
  await kafka.kill();
  await database.remove();
  rmSync(contract, { force: true });
  rmSync(folder, { recursive: true, force: true });
});

const ask = async (path: string): Promise<unknown[]> =>
  (await fetch(`http://127.0.0.1:${readerPort}${path}`)).json() as Promise<unknown[]>;

async function until(what: string, check: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + patience(30_000);
  while (!(await check().catch(() => false))) {
    if (performance.now() > untilMs) throw new Error(`not within the time: ${what}`);
    await Bun.sleep(20);
  }
}

test("each reading is a row, a message and a line, once, whatever the database does", async () => {
  await database.sql`CREATE TABLE readings (id text UNIQUE, device text, value integer)`;
  await ask("/make?topic=heat.north");
  await node.start();
  client = new Holdfast(`ws://127.0.0.1:${port}/connect`);
  const dead: unknown[] = [];
  await client.channel("dead").subscribe(({ data }) => dead.push(data)).ready;
  const input = client.channel("in:north");
  const publish = (from: number, to: number) =>
    Promise.all(
      Array.from({ length: to - from + 1 }, (_, index) =>
        input.publish({ device: `d${index % 5}`, value: from + index }),
      ),
    );
  await publish(1, 20);
  await input.publish({ device: "cold", value: -1 });
  await input.publish({ device: "odd", value: 1.5e300 });
  const rows = async (): Promise<number> =>
    (await database.sql`SELECT count(*)::int AS n FROM readings`)[0].n;
  await until("twenty rows", async () => (await rows()) === 20);
  await database.crash();
  await publish(21, 60);
  await until("messages go on without the database", async () => {
    const found = await ask("/read?topic=heat.north");
    return found.length >= 61;
  });
  await database.start();
  await until("sixty rows", async () => (await rows()) === 60);
  const values = await database.sql`SELECT value FROM readings ORDER BY value`;
  expect(values.map(({ value }: { value: number }) => value)).toEqual(
    Array.from({ length: 60 }, (_, index) => index + 1),
  );
  await until("a dead letter", async () => dead.length > 0);
  expect(JSON.stringify(dead)).toContain("22003");
  const messages = await ask("/read?topic=heat.north");
  expect(new Set(messages.map((one) => (one as { id: string }).id)).size).toBe(61);
  const lines = (await Bun.file(join(folder, "heat-0.ndjson")).text()).trim().split("\n");
  expect(new Set(lines.map((line) => JSON.parse(line).id)).size).toBe(61);
});
