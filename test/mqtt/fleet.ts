// Owns: two nodes with MQTT, real processes over a real Redis, for tests that end them.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { freshPrefix } from "../redis/harness.ts";
import { startServer, stopServers } from "../redis/servers.ts";

export interface Place {
  readonly port: number;
  readonly http: number;
  readonly internal: number;
}

const CHANNELS = {
  "{rest*}": {
    history: { size: 100_000, ttlMs: 600_000 },
    permissions: { subscribe: "anyone", publish: "anyone", history: "anyone" },
  },
};

export interface Fleet {
  readonly places: readonly Place[];
  readonly nodes: RunningCommand[];
  start(place: Place): Promise<RunningCommand>;
}

/** `cleanups` are run in reverse at the end of the test. */
export async function startFleet(
  cleanups: (() => unknown)[],
  env: Readonly<Record<string, string>> = {},
): Promise<Fleet> {
  const redis = await startServer({ persistence: "none" });
  cleanups.push(() => stopServers([redis]));
  const url = `${redis.url}?prefix=${freshPrefix()}`;
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mqtt-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const place = async (): Promise<Place> => ({
    port: await freePort(),
    http: await freePort(),
    internal: await freePort(),
  });
  const places = [await place(), await place()];
  const start = async ({ port, http, internal }: Place): Promise<RunningCommand> => {
    const node = startCommand(["serve"], {
      cwd: folder,
      env: {
        HOLDFAST_HOST: "127.0.0.1",
        HOLDFAST_PORT: String(http),
        HOLDFAST_INTERNAL_HOST: "127.0.0.1",
        HOLDFAST_INTERNAL_PORT: String(internal),
        HOLDFAST_MQTT_TRANSPORTS: "tcp",
        HOLDFAST_MQTT_PORT: String(port),
        HOLDFAST_BROKER_URL: url,
        HOLDFAST_AUTH_ANONYMOUS: "true",
        HOLDFAST_AUTH_INSECURE: "true",
        HOLDFAST_AUTH_RESUME_SECRET: "a secret that all test nodes share",
        HOLDFAST_CHANNELS: JSON.stringify(CHANNELS),
        HOLDFAST_LIMITS_PUBLISHES_PER_SECOND_MAX: "5000",
        HOLDFAST_DRAIN_PRE_DELAY_MS: "0",
        HOLDFAST_DRAIN_WINDOW_MS: "500",
        ...env,
      },
    });
    await node.until((output) => output.includes("node_listening") || output.includes("listening"));
    return node;
  };
  const nodes = [await start(places[0] as Place), await start(places[1] as Place)];
  cleanups.push(() => nodes.forEach((node) => void node.signal("SIGKILL")));
  return { places, nodes, start };
}
