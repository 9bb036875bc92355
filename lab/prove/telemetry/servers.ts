// Owns: the real servers behind the sinks: PostgreSQL and a Kafka broker, as processes that die
// and come back with what they had.
import { mkdirSync, rmSync } from "node:fs";
import { chown } from "node:fs/promises";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL } from "bun";
import { eventually, ProveError } from "../prove-error.ts";
import { freePort } from "../redis-servers.ts";

const START_MS = 20_000;
/** PostgreSQL does not run as root: then it runs as nobody. */
const NOBODY = 65_534;
const PASSWORD = "secret of the proof's database";

/** Tables of the windows and of single events. A row that is replaced by another one is told. */
const TABLES = `
CREATE TABLE windows (
  device text NOT NULL, at bigint NOT NULL, events bigint NOT NULL, total bigint NOT NULL,
  least bigint NOT NULL, most bigint NOT NULL, marks bigint NOT NULL, version int NOT NULL,
  PRIMARY KEY (device, at)
);
CREATE TABLE direct (
  device text NOT NULL, n bigint NOT NULL, at double precision NOT NULL, value bigint NOT NULL,
  PRIMARY KEY (device, n)
);
CREATE TABLE straight (n bigint PRIMARY KEY, at double precision NOT NULL, value text NOT NULL);
CREATE TABLE changed (device text NOT NULL, at bigint NOT NULL);
CREATE FUNCTION told_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN INSERT INTO changed VALUES (NEW.device, NEW.at); RETURN NEW; END $$;
CREATE TRIGGER changes BEFORE UPDATE ON windows FOR EACH ROW
  WHEN ((OLD.events, OLD.total, OLD.marks) IS DISTINCT FROM (NEW.events, NEW.total, NEW.marks))
  EXECUTE FUNCTION told_change();
`;

export class Database {
  readonly port: number;
  readonly #folder: string;
  readonly #identity: { readonly uid?: number; readonly gid?: number };
  #process: Bun.Subprocess | undefined;
  #sql: SQL | undefined;

  private constructor(folder: string, port: number, identity: { uid?: number; gid?: number }) {
    this.#folder = folder;
    this.port = port;
    this.#identity = identity;
  }

  /** Throws `server_unusable` if there is no PostgreSQL. */
  static async start(): Promise<Database> {
    // A socket's path must be short.
    const folder = join(tmpdir(), `holdfast-prove-${process.pid}`);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder);
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chown(folder, NOBODY, NOBODY);
    const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
    const database = new Database(folder, await freePort(), identity);
    await Bun.write(join(folder, "password"), PASSWORD);
    const made = database.#spawn("initdb", [
      ...["-D", join(folder, "data"), "-U", "postgres", "-A", "scram-sha-256", "--no-sync"],
      ...["--pwfile", join(folder, "password"), "-E", "UTF8", "--locale", "C"],
    ]);
    if ((await made.exited) !== 0)
      throw new ProveError("server_unusable", "Cannot use PostgreSQL: initdb failed");
    await database.up();
    await database.sql.unsafe(TABLES);
    return database;
  }

  get sql(): SQL {
    this.#sql ??= new SQL({ url: this.url, max: 2 });
    return this.#sql;
  }

  get url(): string {
    return `postgres://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${this.port}/postgres`;
  }

  async up(): Promise<void> {
    this.#process = this.#spawn("postgres", [
      ...["-D", join(this.#folder, "data"), "-p", String(this.port), "-h", "127.0.0.1"],
      ...["-k", this.#folder, "-c", "max_connections=60", "-c", "shared_buffers=64MB"],
      // When each row was committed.
      ...["-c", "track_commit_timestamp=on", "-c", "log_min_messages=fatal"],
    ]);
    await eventually("PostgreSQL answers", () => this.#answers(), { timeoutMs: START_MS });
  }

  /** At once, as a crash: it recovers from its log. */
  async crash(): Promise<void> {
    await this.#sql?.close({ timeout: 0 }).catch(() => {});
    this.#sql = undefined;
    this.#process?.kill("SIGQUIT");
    await this.#process?.exited;
    this.#process = undefined;
  }

  async close(): Promise<void> {
    await this.crash();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #answers(): Promise<boolean> {
    const sql = new SQL({ url: this.url, max: 1, connectionTimeout: 2 });
    try {
      await sql`SELECT 1`;
      return true;
    } catch {
      return false;
    } finally {
      await sql.close({ timeout: 0 }).catch(() => {});
    }
  }

  #spawn(name: string, args: readonly string[]): Bun.Subprocess {
    const { POSTGRES_BIN, POSTGRES_LIBRARIES = "" } = process.env;
    const program = POSTGRES_BIN === undefined ? Bun.which(name) : join(POSTGRES_BIN, name);
    if (program === null)
      throw new ProveError(
        "server_unusable",
        "Cannot find PostgreSQL: run the proof by npm run prove, which finds or fetches it",
      );
    return Bun.spawn([program, ...args], {
      ...this.#identity,
      cwd: tmpdir(),
      env: { ...process.env, LD_LIBRARY_PATH: POSTGRES_LIBRARIES, LC_ALL: "C" },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    });
  }
}

/** Account of the broker that may write. */
export const KAFKA_ACCOUNT = { user: "writer", password: "secret-of-kafka" };

export class Kafka {
  readonly port: number;
  readonly readerPort: number;
  readonly #program: string;
  readonly #folder: string;
  #process: Bun.Subprocess | undefined;

  private constructor(program: string, folder: string, ports: readonly [number, number]) {
    this.#program = program;
    this.#folder = folder;
    [this.port, this.readerPort] = ports;
  }

  /** Throws `server_unusable` if KAFKA_BROKER names no program. */
  static async start(folder: string, topics: readonly string[]): Promise<Kafka> {
    const program = process.env.KAFKA_BROKER;
    if (program === undefined || program === "")
      throw new ProveError(
        "server_unusable",
        "Cannot find the Kafka broker: run the proof by npm run prove, which builds it",
      );
    mkdirSync(folder, { recursive: true });
    const kafka = new Kafka(program, folder, [await freePort(), await freePort()]);
    await kafka.up();
    for (const topic of topics) {
      const answer = await fetch(`${kafka.readerUrl}/make?topic=${topic}`);
      if (!answer.ok) throw new ProveError("server_unusable", await answer.text());
    }
    return kafka;
  }

  get readerUrl(): string {
    return `http://127.0.0.1:${this.readerPort}`;
  }

  async up(): Promise<void> {
    const { port, readerPort } = this;
    this.#process = Bun.spawn([this.#program, String(port), String(readerPort), this.#folder], {
      // As Kafka by default: the system writes to disk when it likes.
      env: { ...process.env, KAFKA_PAGE_CACHE: "yes" },
      ...{ stdin: "ignore", stdout: "ignore", stderr: "inherit" },
    });
    const listening = async (): Promise<boolean> =>
      (await takesConnections(port)) && (await takesConnections(readerPort));
    await eventually("the Kafka broker listens", listening, { timeoutMs: START_MS });
  }

  /** SIGKILL. The system has what it acknowledged. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.exited;
    this.#process = undefined;
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(port, "127.0.0.1");
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
