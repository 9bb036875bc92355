// Owns: the sink that puts batches into a table of PostgreSQL.
import {
  type Sink,
  type SinkAdapter,
  type SinkBatch,
  type SinkContext,
  SinkError,
  type SinkRefusals,
} from "@holdfast/pipelines/sink";
import { secretOf, within } from "../faults.ts";
import {
  flag,
  needed,
  type OptionRules,
  problemsOf,
  secretName,
  text,
  texts,
  whole,
} from "../options.ts";
import { inParts, Refusal } from "../parts.ts";
import { tlsOf, tlsRule } from "../tls.ts";
import { type Database, Databases } from "./database.ts";
import { isOtherTable, meaningOf, stateOf } from "./faults.ts";
import {
  columnsOf,
  insertStatement,
  lastOfEachKey,
  type PostgresOptions,
  type Row,
  rowOf,
  tableName,
} from "./statement.ts";

const NAME = /^[^\0"]{1,63}$/;

const RULES: OptionRules = {
  urlFrom: needed(secretName),
  table: needed(text("a table, or schema.table", /^[^\0".]{1,63}(\.[^\0".]{1,63})?$/)),
  key: texts("a list of columns", NAME, 16),
  newer: text("a column", NAME),
  idColumn: text("a column", NAME),
  keyColumn: text("a column", NAME),
  timeColumn: text("a column", NAME),
  append: flag,
  ignoreUnknown: flag,
  connectionsMax: whole(1, 100),
  tls: tlsRule,
};

export function postgresAdapter(): SinkAdapter {
  const databases = new Databases();
  return {
    kind: "postgres",
    problems: (options) => [
      ...problemsOf("postgres", RULES, options),
      ...relations(options as unknown as PostgresOptions),
    ],
    open: ({ options }, context) =>
      new Postgres(options as unknown as PostgresOptions, context, databases),
  };
}

/** Without a key a record that comes again would be there twice: that must be said. */
function relations({ key, idColumn, append, newer }: PostgresOptions): readonly string[] {
  const ways = [key, idColumn, append === true ? append : undefined].filter(
    (one) => one !== undefined,
  ).length;
  const told = (found: string, expected: string): string =>
    `Cannot use sink postgres: found ${found}, expected ${expected}`;
  if (ways === 0) return [told("no key, idColumn or append", "one of them")];
  if (append === true && ways > 1) return [told("append beside a key", "one of them")];
  return newer !== undefined && key === undefined ? [told("newer without key", "both")] : [];
}

interface Placed {
  readonly index: number;
  readonly row: Row;
}

class Postgres implements Sink {
  readonly #options: PostgresOptions;
  readonly #context: SinkContext;
  readonly #databases: Databases;
  #database: Database | undefined;
  /** Undefined: they are read with the next batch. */
  #columns: ReadonlySet<string> | undefined;
  #isClosed = false;

  constructor(options: PostgresOptions, context: SinkContext, databases: Databases) {
    this.#options = options;
    this.#context = context;
    this.#databases = databases;
  }

  async write(batch: SinkBatch): Promise<SinkRefusals | undefined> {
    const { timeoutMs } = this.#context;
    try {
      return await within(
        timeoutMs,
        () => this.#put(batch),
        () => this.#leave("cut"),
      );
    } catch (error) {
      const state = stateOf(error);
      const fault = meaningOf(error);
      if (fault instanceof SinkError && fault.code !== "refused") this.#leave("cut");
      if (isOtherTable(state)) this.#columns = undefined;
      throw fault instanceof Refusal ? new SinkError("internal", fault.reason) : fault;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#leave("end");
  }

  async #put({ records }: SinkBatch): Promise<SinkRefusals | undefined> {
    await this.#openIt();
    const known = await this.#known();
    const refused: { readonly index: number; readonly reason: string }[] = [];
    const placed: Placed[] = [];
    for (const [index, record] of records.entries()) {
      const row = rowOf(this.#options, record, known);
      if (typeof row === "string") refused.push({ index, reason: row });
      else placed.push({ index, row });
    }
    // A column may have been added since.
    if (refused.length > 0) this.#columns = undefined;
    const rows = lastOfEachKey(placed, this.#options.key);
    const found = await inParts(rows, (part) => this.#insert(part));
    for (const { index, reason } of found?.refused ?? [])
      refused.push({ index: rows[index]?.index ?? 0, reason });
    return refused.length === 0 ? undefined : { refused };
  }

  async #insert(rows: readonly Placed[]): Promise<Refusal | undefined> {
    const statement = insertStatement(this.#options, columnsOf(rows));
    try {
      await this.#connected().run(statement, JSON.stringify(rows.map(({ row }) => row)));
      return undefined;
    } catch (error) {
      const meaning = stateOf(error) === undefined ? undefined : meaningOf(error);
      if (meaning instanceof Refusal) return meaning;
      throw error;
    }
  }

  /** Columns of the table. */
  async #known(): Promise<ReadonlySet<string>> {
    if (this.#columns !== undefined) return this.#columns;
    const rows = await this.#connected().run(COLUMNS, tableName(this.#options.table));
    this.#columns = new Set(rows.map(({ name }) => String(name)));
    return this.#columns;
  }

  async #openIt(): Promise<void> {
    const { urlFrom, connectionsMax = 4, tls: option } = this.#options;
    if (this.#database !== undefined) return;
    const tls = await tlsOf(option, this.#context.secret);
    if (this.#isClosed) throw new SinkError("unavailable", "the sink is closed");
    this.#database = this.#databases.join(secretOf(this.#context, urlFrom), {
      connectionsMax,
      timeoutMs: this.#context.timeoutMs,
      ...(tls === undefined ? {} : { tls }),
    });
  }

  /** It may have been given up meanwhile. */
  #connected(): Database {
    if (this.#database === undefined)
      throw new SinkError("unavailable", "the connection was given up");
    return this.#database;
  }

  #leave(how: "cut" | "end"): Promise<void> {
    const database = this.#database;
    this.#database = undefined;
    return database === undefined ? Promise.resolve() : this.#databases.leave(database, how);
  }
}

const COLUMNS =
  "SELECT attname AS name FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped";
