// Owns: the whole factory in one command: PostgreSQL, nodes, machines and the page.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { SQL } from "bun";
import { startPostgres } from "../../test/sinks/postgres-server.ts";
import { ensurePostgres } from "../../tools/run/postgres.mjs";
import { startSite } from "./site.ts";

const HELP = `npx bun examples/factory/main.ts [options]

  --port 8080        where the page is
  --nodes-port 8000  where clients and machines connect
  --nodes 2          how many nodes there are
  --machines 200     how many machines there are
  --every-ms 1000    how often each of them says its temperature

FACTORY_DATABASE_URL names a PostgreSQL of yours. Without it, an own one is started, which is gone
at the end. If there are no programs of PostgreSQL here, they are fetched from Debian.
`;
const READY_MS = 30_000;
const FOLDER = import.meta.dir;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8080" },
    "nodes-port": { type: "string", default: "8000" },
    nodes: { type: "string", default: "2" },
    machines: { type: "string", default: "200" },
    "every-ms": { type: "string", default: "1000" },
    help: { type: "boolean" },
  },
});
if (values.help === true) {
  console.log(HELP);
  process.exit();
}

const ended = Promise.withResolvers<void>();
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => ended.resolve());
const cleanups: (() => unknown)[] = [];

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): void {
  const child = Bun.spawn([process.execPath, ...args], {
    ...{ stdin: "ignore", stdout: "ignore", stderr: "inherit" },
    env: { ...process.env, ...env },
  });
  let isWanted = true;
  void child.exited.then((status) => {
    if (!isWanted) return;
    console.error(`${args[0]} ended with ${status}`);
    process.exitCode = 1;
    ended.resolve();
  });
  cleanups.push(async () => {
    isWanted = false;
    child.kill("SIGTERM");
    await child.exited;
  });
}

async function databaseUrl(): Promise<string> {
  const given = process.env.FACTORY_DATABASE_URL ?? "";
  if (given !== "") return given;
  const found = await ensurePostgres();
  if (!found.ok) {
    console.error(found.message);
    process.exit(1);
  }
  Object.assign(process.env, found.env);
  const own = await startPostgres();
  cleanups.push(() => own.remove());
  return own.url("postgres", "secret-of-the-superuser");
}

async function withTable(url: string): Promise<string> {
  const sql = new SQL({ url, max: 1 });
  await sql.unsafe(readFileSync(join(FOLDER, "table.sql"), "utf8"));
  await sql.close();
  return url;
}

async function whenReady(url: string): Promise<void> {
  const untilMs = performance.now() + READY_MS;
  const answers = () =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await answers())) {
    if (performance.now() > untilMs) throw new Error(`nobody answers at ${url}`);
    await Bun.sleep(50);
  }
}

async function run(): Promise<void> {
  const nodesPort = Number(values["nodes-port"]);
  const url = await withTable(await databaseUrl());
  const site = await startSite({ port: Number(values.port), nodesPort, databaseUrl: url });
  cleanups.push(() => site.stop());
  const origins = ["localhost", "127.0.0.1"].map((name) => `http://${name}:${site.port}`);
  start(
    [
      ...[join(FOLDER, "../../apps/holdfast/src/main.ts"), "dev"],
      ...["--contract", join(FOLDER, "holdfast.config.ts"), "--port", String(nodesPort)],
      ...["--nodes", values.nodes, "--mqtt-transports", "websocket"],
      ...["--allowed-origins", origins.join(",")],
    ],
    { FACTORY_DATABASE_URL: url },
  );
  await whenReady(`http://127.0.0.1:${nodesPort}/dev/nodes`);
  start([
    ...[join(FOLDER, "machines.ts"), `ws://127.0.0.1:${nodesPort}/connect`],
    ...[values.machines, values["every-ms"]],
  ]);
  console.log(`\n  http://localhost:${site.port}/\n`);
  await ended.promise;
}

try {
  await run();
} finally {
  // The machines first, the database last.
  for (const cleanup of cleanups.reverse()) await cleanup();
}
