// Owns: a check that examples/factory works as its README says: machines, a node, a board, a table.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { linesOf } from "../../examples/example-node.ts";
import { freePort } from "../free-port.ts";
import { startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { startPostgres } from "../sinks/postgres-server.ts";

setDefaultTimeout(patience(90_000));

const EXAMPLE = fileURLToPath(new URL("../../examples/factory/", import.meta.url));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function start(program: string, ...args: readonly string[]) {
  const child = Bun.spawn([process.execPath, `${EXAMPLE}${program}`, ...args], {
    ...{ stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  });
  cleanups.push(async () => {
    child.kill();
    await child.exited;
  });
  return linesOf(child.stdout);
}

test("machines say their temperature; the board shows windows and alarms, the table has rows", async () => {
  const database = await startPostgres();
  cleanups.push(() => database.remove());
  await database.sql.unsafe(readFileSync(`${EXAMPLE}table.sql`, "utf8"));
  const [port, mqttPort] = [await freePort(), await freePort()];
  const node = startCommand(["serve", "--contract", `${EXAMPLE}holdfast.config.ts`], {
    env: {
      ...{ HOLDFAST_HOST: "127.0.0.1", HOLDFAST_INTERNAL_HOST: "127.0.0.1" },
      ...{ HOLDFAST_PORT: String(port), HOLDFAST_INTERNAL_PORT: String(await freePort()) },
      ...{ HOLDFAST_MQTT_TRANSPORTS: "tcp", HOLDFAST_MQTT_PORT: String(mqttPort) },
      ...{ HOLDFAST_AUTH_ANONYMOUS: "true", HOLDFAST_AUTH_INSECURE: "true" },
      HOLDFAST_BROKER_URL: "memory:",
      FACTORY_DATABASE_URL: database.url("postgres", "secret-of-the-superuser"),
    },
  });
  cleanups.push(async () => {
    node.signal("SIGKILL");
    await node.ended().catch(() => {});
  });
  await node.until((output) => output.includes("node_listening"));
  const board = start("board.ts", `ws://127.0.0.1:${port}/connect`);
  start("machines.ts", `mqtt://127.0.0.1:${mqttPort}`, "12", "50");
  const seen = { window: false, alarm: false };
  while (!seen.window || !seen.alarm) {
    const line = await board.next();
    seen.alarm ||= /^(north|south) m\d+: ALARM raised at \d+/.test(line);
    seen.window ||= /^(north|south) m\d+: [\d.]+ °C, at most [\d.]+, of [1-9]\d* readings$/.test(
      line,
    );
  }
  const rows = () => database.sql.unsafe("SELECT count(*) AS count FROM heat WHERE n > 0");
  while (Number((await rows())[0]?.count) === 0) await Bun.sleep(50);
  expect(node.output()).not.toContain("secret-of-the-superuser");
});
