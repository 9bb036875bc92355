// Owns: the PostgreSQL sink against a real server: the contract, upserts, rows that it cannot take.
import { afterAll, expect, test } from "bun:test";
import { type Sink, SinkError, type SinkRecord } from "@holdfast/pipelines";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { type Arrived, describeSink, sinkRecord } from "@holdfast/testkit/contract";
import { startPostgres } from "./postgres-server.ts";

const server = await startPostgres();
afterAll(() => server.remove());

const adapter = sinkAdapters({ print: async () => {} }).find(({ kind }) => kind === "postgres");
if (adapter === undefined) throw new Error("no postgres adapter");

const PASSWORD = "secret-p%40ss";
await server.sql`CREATE ROLE writer LOGIN PASSWORD 'secret-p@ss'`;
await server.sql`CREATE ROLE reader LOGIN PASSWORD 'secret-p@ss'`;
await server.sql`CREATE ROLE many IN ROLE writer LOGIN PASSWORD 'secret-p@ss'`;
const secrets = { PG_URL: server.url("writer", PASSWORD) };

let tables = 0;

/** A table that no other test has. */
async function makeTable(columns: string): Promise<string> {
  const table = `t_${++tables}`;
  await server.sql.unsafe(`CREATE TABLE ${table} (nr bigserial, ${columns})`);
  await server.sql.unsafe(`GRANT ALL ON ${table} TO writer`);
  await server.sql.unsafe(`GRANT ALL ON SEQUENCE ${table}_nr_seq TO writer`);
  return table;
}

describeSink("PostgreSQL", async () => {
  const columns = "id text UNIQUE, key text, n integer NOT NULL, text text, more jsonb";
  const table = await makeTable(columns);
  const options = { urlFrom: "PG_URL", table, idColumn: "id", keyColumn: "key" };
  return {
    adapter,
    options,
    secrets,
    async read() {
      const rows = await server.sql.unsafe(
        `SELECT id, key, n, text, more FROM ${table} ORDER BY nr`,
      );
      return rows.map(
        ({ id, key, n, text, more }: Record<string, unknown>): Arrived => ({
          id: String(id),
          key: String(key),
          value: { n, text, more },
        }),
      );
    },
    isOnce: true,
    power: { off: () => server.crash(), on: () => server.start() },
    freeze: { on: () => server.freeze(), off: () => server.thaw() },
    refused: [{ n: "not a number" }, "no object", { n: 5_000_000_000 }],
    strangers: [
      { what: "a wrong password", secrets: { PG_URL: server.url("writer", "secret-wrong") } },
      { what: "a table that is not there", options: { ...options, table: "nowhere" } },
      { what: "no right to write", secrets: { PG_URL: server.url("reader", PASSWORD) } },
      { what: "no such index", options: { ...options, idColumn: "key" } },
    ],
    wrong: [
      {},
      { ...options, idColumn: undefined, keyColumn: undefined },
      { ...options, append: true },
      { ...options, table: 'a"; DROP TABLE b; --' },
      { ...options, key: [] },
      { ...options, newer: "at" },
      { ...options, connectionsMax: 0 },
    ],
    close: async () => {
      server.thaw();
      await server.start();
    },
  };
});

function open(options: Readonly<Record<string, unknown>>, user = "writer"): Sink {
  const all = { urlFrom: "PG_URL", ...options };
  expect(adapter?.problems(all)).toEqual([]);
  return adapter?.open(
    { sink: "postgres", options: all },
    {
      pipeline: "p",
      partition: 0,
      output: 0,
      timeoutMs: 5_000,
      secret: () => server.url(user, PASSWORD),
    },
  ) as Sink;
}

const write = (sink: Sink, values: readonly unknown[]): ReturnType<Sink["write"]> =>
  sink.write({
    pipeline: "p",
    partition: 0,
    output: 0,
    attempt: 1,
    records: values.map((value, index): SinkRecord => ({ ...sinkRecord(index + 1), value })),
  });

const rowsOf = (table: string): Promise<Record<string, unknown>[]> =>
  server.sql.unsafe(`SELECT * FROM ${table} ORDER BY nr`);

test("rows with the same key are replaced, also inside of one batch, and the last one stays", async () => {
  const table = await makeTable("device text, at timestamptz, mean float8, UNIQUE (device, at)");
  const sink = open({ table, key: ["device", "at"] });
  const at = "2026-11-30T12:00:00Z";
  await write(sink, [
    { device: "a", at, mean: 1 },
    { device: "b", at, mean: 2 },
    { device: "a", at, mean: 3 },
    // The same moment for the table, another text for us.
    { device: "b", at: "2026-11-30T13:00:00+01:00", mean: 4 },
  ]);
  await write(sink, [{ device: "a", at, mean: 5 }]);
  const rows = await rowsOf(table);
  expect(rows.map(({ device, mean }) => [device, mean]).toSorted()).toEqual([
    ["a", 5],
    ["b", 4],
  ]);
  await sink.close();
});

test("an older row does not replace a newer one, if that is asked", async () => {
  const table = await makeTable("device text UNIQUE, at integer, state text");
  const sink = open({ table, key: ["device"], newer: "at" });
  await write(sink, [{ device: "a", at: 10, state: "on" }]);
  await write(sink, [{ device: "a", at: 9, state: "late" }]);
  expect((await rowsOf(table))[0]).toMatchObject({ at: 10, state: "on" });
  await write(sink, [{ device: "a", at: 10, state: "again" }]);
  expect((await rowsOf(table))[0]).toMatchObject({ at: 10, state: "again" });
  await sink.close();
});

test("members without a column are refused or left out, and a column that is added is found", async () => {
  const table = await makeTable("a integer");
  const sink = open({ table, append: true });
  const refused = { refused: [{ index: 1, reason: 'the table has no column "b"' }] };
  expect(await write(sink, [{ a: 1 }, { a: 2, b: 1 }, { a: 3 }])).toEqual(refused);
  await server.sql.unsafe(`ALTER TABLE ${table} ADD COLUMN b integer`);
  expect(await write(sink, [{ a: 4, b: 2 }])).toBeUndefined();
  const lenient = open({ table, append: true, ignoreUnknown: true });
  expect(
    await write(lenient, [{ a: 5, c: 1, __proto__x: 2 }, JSON.parse('{"__proto__": 1, "a": 6}')]),
  ).toBeUndefined();
  expect((await rowsOf(table)).map(({ a, b }) => [a, b])).toEqual([
    [1, null],
    [3, null],
    [4, 2],
    [5, null],
    [6, null],
  ]);
  await Promise.all([sink.close(), lenient.close()]);
});

test("names with quotes and capitals are names, in a schema too", async () => {
  await server.sql`CREATE SCHEMA "Odd s"`;
  await server.sql`CREATE TABLE "Odd s"."T'x" (nr bigserial, "A b" text UNIQUE, "from" text)`;
  await server.sql`GRANT ALL ON SCHEMA "Odd s" TO writer`;
  await server.sql`GRANT ALL ON ALL TABLES IN SCHEMA "Odd s" TO writer`;
  await server.sql`GRANT ALL ON ALL SEQUENCES IN SCHEMA "Odd s" TO writer`;
  const sink = open({ table: "Odd s.T'x", key: ["A b"] });
  await write(sink, [{ "A b": "'; DROP TABLE x; --", from: "1" }]);
  await write(sink, [{ "A b": "'; DROP TABLE x; --", from: "2" }]);
  const rows = await rowsOf(`"Odd s"."T'x"`);
  expect(rows.map((row) => [row["A b"], row.from])).toEqual([["'; DROP TABLE x; --", "2"]]);
  await sink.close();
});

test("a poisoned row costs the others nothing: five among five hundred", async () => {
  const table = await makeTable("a integer CHECK (a <> 13), t text");
  const sink = open({ table, append: true });
  const values: unknown[] = Array.from({ length: 500 }, (_, a) => ({ a: a + 100, t: "x" }));
  for (const [index, bad] of [
    [0, { a: 13 }],
    [77, { a: "x" }],
    [78, { a: 1, t: "a\u0000b" }],
    [300, { a: 1.5e300 }],
    [499, { a: 13 }],
  ] as const)
    values[index] = bad;
  const answer = await write(sink, values);
  expect(answer?.refused.map(({ index }) => index).toSorted((a, b) => a - b)).toEqual([
    0, 77, 78, 300, 499,
  ]);
  expect(JSON.stringify(answer)).not.toContain("a\\u0000b");
  expect((await rowsOf(table)).map(({ a }) => a)).toEqual(
    values.flatMap((value, index) =>
      index % 500 && ![77, 78, 300, 499].includes(index) ? [(value as { a: number }).a] : [],
    ),
  );
  await sink.close();
});

test("a lock that somebody holds is waited for no longer than a write may take, and nothing comes late", async () => {
  const table = await makeTable("a integer UNIQUE");
  const sink = adapter.open(
    { sink: "postgres", options: { urlFrom: "PG_URL", table, key: ["a"] } },
    { pipeline: "p", partition: 0, output: 0, timeoutMs: 500, secret: () => secrets.PG_URL },
  );
  await write(sink, [{ a: 1 }]);
  await server.sql.begin(async (held) => {
    await held.unsafe(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    const outcome = await write(sink, [{ a: 2 }]).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(SinkError);
    expect((outcome as SinkError).code).toBe("timeout");
    const [{ count }] = await held`
      SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'writer' AND state = 'active'`;
    expect(count).toBeLessThanOrEqual(1);
  });
  await write(sink, [{ a: 3 }]);
  await sink.close();
});

test("many partitions share the connections of a node", async () => {
  const table = await makeTable("a integer");
  const sinks = Array.from({ length: 40 }, () =>
    open({ table, append: true, connectionsMax: 3 }, "many"),
  );
  await Promise.all(sinks.map((sink, a) => write(sink, [{ a }])));
  const [{ count }] = await server.sql`
    SELECT count(*)::int FROM pg_stat_activity WHERE usename = 'many'`;
  expect(count).toBeLessThanOrEqual(3);
  expect(count).toBeGreaterThan(0);
  expect(await rowsOf(table)).toHaveLength(40);
  await Promise.all(sinks.map((sink) => sink.close()));
});
