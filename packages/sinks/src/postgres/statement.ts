// Owns: the statement that puts rows into a table, and the rows of records. Pure.
import type { SinkRecord } from "@holdfast/pipelines/sink";
import type { TlsOptions } from "../tls.ts";

/** Options of `postgres`. */
export interface PostgresOptions {
  /** Variable with the URL: `postgres://user:password@host:5432/database?sslmode=require`. */
  readonly urlFrom: string;
  /** `readings`, or with its schema: `telemetry.readings`. */
  readonly table: string;
  /**
   * Columns of a unique index. A row that is there with the same values is replaced: with windows,
   * each is there once. One of `key`, `idColumn` and `append` is needed.
   */
  readonly key?: readonly string[];
  /** With `key`: an older row never replaces a newer one by this column. */
  readonly newer?: string;
  /** Column for the id of the record, with a unique index. A row that is there is left. */
  readonly idColumn?: string;
  /** True: each record adds a row, also one that comes again. */
  readonly append?: boolean;
  /** Columns for key and event time of the record, if its value does not have them. */
  readonly keyColumn?: string;
  readonly timeColumn?: string;
  /** True: members of values without a column are left out. Otherwise the record is refused. */
  readonly ignoreUnknown?: boolean;
  /** Connections of this node to the server, for all partitions. Default 4. */
  readonly connectionsMax?: number;
  /** Absent: what `sslmode` of the URL says. */
  readonly tls?: TlsOptions;
}

/** Names are never put into SQL in another way. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

export const tableName = (table: string): string => table.split(".").map(quoted).join(".");

/**
 * One statement with one parameter: rows as JSON. The table's own row type reads them, so that
 * types need no mapping, and one round trip takes any number of rows.
 */
export function insertStatement(options: PostgresOptions, columns: readonly string[]): string {
  const table = tableName(options.table);
  const names = columns.map(quoted).join(", ");
  return (
    `INSERT INTO ${table} AS kept (${names}) ` +
    `SELECT ${names} FROM jsonb_populate_recordset(NULL::${table}, $1::text::jsonb) ` +
    conflictOf(options, columns)
  ).trim();
}

function conflictOf(options: PostgresOptions, columns: readonly string[]): string {
  const { key, newer, idColumn, append } = options;
  if (append === true) return "";
  if (idColumn !== undefined && key === undefined)
    return `ON CONFLICT (${quoted(idColumn)}) DO NOTHING`;
  const unique = (key ?? []).map(quoted).join(", ");
  const rest = columns.filter((column) => !key?.includes(column));
  if (rest.length === 0) return `ON CONFLICT (${unique}) DO NOTHING`;
  const set = rest.map((column) => `${quoted(column)} = EXCLUDED.${quoted(column)}`).join(", ");
  const guard =
    newer === undefined
      ? ""
      : ` WHERE kept.${quoted(newer)} IS NULL OR kept.${quoted(newer)} <= EXCLUDED.${quoted(newer)}`;
  return `ON CONFLICT (${unique}) DO UPDATE SET ${set}${guard}`;
}

export type Row = Readonly<Record<string, unknown>>;

/** The row of a record, or why it has none. */
export function rowOf(
  options: PostgresOptions,
  { id, key, timeMs, value }: SinkRecord,
  known: ReadonlySet<string>,
): Row | string {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return "its value is no object";
  const row: Record<string, unknown> = Object.create(null);
  for (const [name, member] of Object.entries(value)) {
    if (known.has(name)) row[name] = member;
    else if (options.ignoreUnknown !== true)
      return `the table has no column ${JSON.stringify(name.slice(0, 63))}`;
  }
  const { idColumn, keyColumn, timeColumn } = options;
  if (idColumn !== undefined) row[idColumn] = id;
  if (keyColumn !== undefined) row[keyColumn] = key;
  if (timeColumn !== undefined) row[timeColumn] = new Date(timeMs).toISOString();
  return row;
}

/**
 * Of rows with the same key the last one: one statement may touch a row only once. Rows whose keys
 * are equal for the table alone, as 1 and 1.0, are found by the server.
 */
export function lastOfEachKey<T extends { readonly row: Row }>(
  rows: readonly T[],
  key: readonly string[] | undefined,
): readonly T[] {
  if (key === undefined) return rows;
  const last = new Map<string, T>();
  for (const one of rows) {
    const name = JSON.stringify(key.map((column) => one.row[column] ?? null));
    last.delete(name);
    last.set(name, one);
  }
  return [...last.values()];
}

/** Every column that some row has, sorted: so the same rows give the same statement. */
export function columnsOf(rows: readonly { readonly row: Row }[]): readonly string[] {
  const found = new Set<string>();
  for (const { row } of rows) for (const name of Object.keys(row)) found.add(name);
  return [...found].sort();
}
