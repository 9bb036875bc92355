// Owns: a real PostgreSQL for tests, on a free loopback port with a directory of its own, that can
// die, freeze and come back.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { chmod, chown } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SQL, sleep } from "bun";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";

export interface PostgresServer {
  readonly port: number;
  /** As the superuser. */
  readonly sql: SQL;
  /** URL of a user, who has this password. */
  url(user: string, password: string): string;
  start(): Promise<void>;
  /** Ends it at once, as a crash: nothing is told to clients. */
  crash(): Promise<void>;
  freeze(): void;
  thaw(): void;
  remove(): Promise<void>;
}

const SUPERUSER = { name: "postgres", password: "secret-of-the-superuser" };
/** PostgreSQL does not run as root: then it runs as nobody. */
const NOBODY = 65_534;

export interface PostgresOptions {
  /** Paths of a certificate, its key, and the authority of clients' certificates. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string };
  /** Lines that come first in pg_hba.conf. */
  readonly rules?: readonly string[];
}

export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-postgres-"));
  const data = join(folder, "data");
  const port = await freePort();
  const isRoot = process.getuid?.() === 0;
  const identity = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) await chown(folder, NOBODY, NOBODY);
  const passwords = join(folder, "password");
  await Bun.write(passwords, SUPERUSER.password);
  await run("initdb", identity, [
    ...["-D", data, "-U", SUPERUSER.name, "--pwfile", passwords, "-A", "scram-sha-256"],
    ...["-E", "UTF8", "--locale", "C", "--no-sync"],
  ]);
  const { tls, rules = [] } = options;
  if (rules.length > 0) {
    const file = join(data, "pg_hba.conf");
    await Bun.write(file, `${rules.join("\n")}\n${await Bun.file(file).text()}`);
  }
  const encrypted: string[] = [];
  for (const [name, from] of Object.entries(tls ?? {})) {
    const to = join(data, name);
    await Bun.write(to, Bun.file(from));
    // A server refuses a key that others may read.
    await chmod(to, 0o600);
    if (isRoot) await chown(to, NOBODY, NOBODY);
    encrypted.push("-c", `ssl_${name}_file=${to}`);
  }
  if (encrypted.length > 0) encrypted.push("-c", "ssl=on");
  let child: Bun.Subprocess | undefined;
  let sql: SQL | undefined;
  const server: PostgresServer = {
    port,
    get sql() {
      sql ??= connect(server.url(SUPERUSER.name, SUPERUSER.password));
      return sql;
    },
    url: (user, password) => `postgres://${user}:${password}@127.0.0.1:${port}/postgres`,
    async start() {
      if (child !== undefined) return;
      child = spawn("postgres", identity, [
        ...["-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", folder],
        ...[
          "-c",
          "max_connections=60",
          "-c",
          "shared_buffers=16MB",
          "-c",
          "log_min_messages=fatal",
        ],
        ...encrypted,
      ]);
      const untilMs = performance.now() + patience(20_000);
      while (!(await answers(server.url(SUPERUSER.name, SUPERUSER.password)))) {
        if (child.exitCode !== null) throw new Error(`postgres ended with ${child.exitCode}`);
        if (performance.now() > untilMs) throw new Error("postgres does not answer");
        await sleep(20);
      }
    },
    async crash() {
      server.thaw();
      await sql?.close({ timeout: 0 }).catch(() => {});
      sql = undefined;
      child?.kill("SIGQUIT");
      await child?.exited;
      child = undefined;
    },
    freeze: () => signalAll(child?.pid, "SIGSTOP"),
    thaw: () => signalAll(child?.pid, "SIGCONT"),
    async remove() {
      await server.crash();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}

const connect = (url: string): SQL => new SQL({ url, max: 2, idleTimeout: 5 });

async function answers(url: string): Promise<boolean> {
  const sql = new SQL({ url, max: 1, connectionTimeout: 2 });
  try {
    await sql`SELECT 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.close({ timeout: 0 }).catch(() => {});
  }
}

function spawn(
  name: string,
  identity: { readonly uid?: number; readonly gid?: number },
  args: readonly string[],
): Bun.Subprocess {
  const { POSTGRES_BIN, POSTGRES_LIBRARIES = "" } = process.env;
  const program = POSTGRES_BIN === undefined ? name : join(POSTGRES_BIN, name);
  return Bun.spawn([program, ...args], {
    ...identity,
    cwd: tmpdir(),
    env: { ...process.env, LD_LIBRARY_PATH: POSTGRES_LIBRARIES, LC_ALL: "C" },
    ...{ stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
}

async function run(...args: Parameters<typeof spawn>): Promise<void> {
  const child = spawn(...args);
  const told = await new Response(child.stderr as ReadableStream).text();
  if ((await child.exited) !== 0) throw new Error(`${args[0]} failed: ${told}`);
}

/** The server has a process for each connection. */
function signalAll(pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  for (const one of [pid, ...childrenOf(pid)]) {
    try {
      process.kill(one, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

function childrenOf(parent: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, "utf8");
        return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]) === parent;
      } catch {
        return false;
      }
    })
    .map(Number);
}
