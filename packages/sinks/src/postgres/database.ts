// Owns: connections to PostgreSQL, shared by all partitions of a node.
import { SQL } from "bun";
import type { TlsParts } from "../tls.ts";

export interface DatabaseOptions {
  readonly connectionsMax: number;
  /** The server ends a statement after this, so that nothing of a write goes on. */
  readonly timeoutMs: number;
  /** Absent: what the URL says. */
  readonly tls?: TlsParts;
}

/** One pool of connections. */
export interface Database {
  /** Runs a statement with one text. Rejects with what the client throws. */
  run(statement: string, text: string): Promise<readonly Readonly<Record<string, unknown>>[]>;
}

interface Pool extends Database {
  readonly name: string;
  members: number;
  end(isCut: boolean): Promise<void>;
}

/** Pools by URL: each partition that writes to a server joins its pool. */
export class Databases {
  readonly #pools = new Map<string, Pool>();

  join(url: string, options: DatabaseOptions): Database {
    const name = JSON.stringify([options, url]);
    let pool = this.#pools.get(name);
    if (pool === undefined) {
      pool = openPool(name, url, options);
      this.#pools.set(name, pool);
    }
    pool.members += 1;
    return pool;
  }

  /**
   * The last one that leaves closes the pool. "cut": its connections are in doubt. They are closed,
   * and the next one that joins gets a new pool; others that have it fail and come again.
   */
  async leave(database: Database, how: "cut" | "end"): Promise<void> {
    const pool = database as Pool;
    pool.members -= 1;
    const isCut = how === "cut";
    if (!isCut && pool.members > 0) return;
    if (this.#pools.get(pool.name) === pool) this.#pools.delete(pool.name);
    await pool.end(isCut);
  }
}

function openPool(name: string, url: string, options: DatabaseOptions): Pool {
  const { connectionsMax, timeoutMs, tls } = options;
  const { servername, ...pem } = tls ?? {};
  const client = new SQL({
    url,
    max: connectionsMax,
    connectionTimeout: Math.ceil(timeoutMs / 1_000),
    idleTimeout: 60,
    ...(tls === undefined
      ? {}
      : {
          tls: {
            rejectUnauthorized: true,
            ...pem,
            ...(servername === undefined ? {} : { serverName: servername }),
          },
        }),
    connection: { statement_timeout: timeoutMs, application_name: "holdfast" },
  });
  return {
    name,
    members: 0,
    run: (statement, text) => client.unsafe(statement, [text]),
    end: (isCut) => client.close({ timeout: isCut ? 0 : 1 }).catch(() => {}),
  };
}
