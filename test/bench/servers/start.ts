// Owns: starting the servers that a load test is pointed at, each as it is: a node of ours,
// Socket.IO on Node.
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience } from "../../patience.ts";

export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const START_MS_MAX = patience(15_000);
const HERE = import.meta.dir;
const ROOT = join(HERE, "../../..");

export interface RunningNode extends RunningServer {
  readonly metricsUrl: string;
}

/**
 * `holdfast serve` in a process of its own, open to everyone, with the limits raised that would
 * refuse the load.
 */
export async function startServe(env: Readonly<Record<string, string>> = {}): Promise<RunningNode> {
  const child = Bun.spawn([process.execPath, join(ROOT, "apps/holdfast/src/main.ts"), "serve"], {
    env: {
      PATH: process.env.PATH ?? "",
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_PORT: "0",
      HOLDFAST_INTERNAL_HOST: "127.0.0.1",
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_AUTH_INSECURE: "true",
      HOLDFAST_CHANNELS: '{"bench:{run}:{n}":{},"{name}":{}}',
      HOLDFAST_LIMITS_CONNECTIONS_PER_ADDRESS_MAX: "10000",
      HOLDFAST_ADMISSION_HANDSHAKES_PER_SECOND: "5000",
      HOLDFAST_DRAIN_PRE_DELAY_MS: "0",
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const { url, internalUrl } = await lineOf(child, (line) => {
    const event = JSON.parse(line) as { event?: string; url?: string; internalUrl?: string };
    return event.event === "node_listening" ? event : undefined;
  });
  return {
    url: String(url).replace("http", "ws"),
    metricsUrl: `${internalUrl}/metrics`,
    pid: child.pid,
    stop: () => ended(child),
  };
}

/** The Socket.IO server, bundled first, because Node 20 reads no TypeScript. */
export async function startSocketIo(): Promise<RunningServer> {
  const built = await Bun.build({
    entrypoints: [join(HERE, "socketio.ts")],
    target: "node",
    packages: "external",
  });
  const folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const file = join(folder, "socketio.mjs");
  await Bun.write(file, (await built.outputs[0]?.text()) ?? "");
  await symlink(join(ROOT, "node_modules"), join(folder, "node_modules"));
  const child = Bun.spawn(["node", file], { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
  const port = await lineOf(child, (line) => line);
  return {
    url: `ws://127.0.0.1:${port}`,
    pid: child.pid,
    stop: async () => {
      await ended(child);
      await rm(folder, { recursive: true });
    },
  };
}

/** The first line of which `read` makes something. */
async function lineOf<T>(
  child: Bun.Subprocess<"ignore" | "pipe", "pipe", "inherit">,
  read: (line: string) => T | undefined,
): Promise<T> {
  const timer = setTimeout(() => child.kill("SIGKILL"), START_MS_MAX);
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // What comes later is read too, so that the pipe never fills.
  const reading = (async () => {
    let text = "";
    let isFound = false;
    for await (const chunk of child.stdout) {
      if (isFound) continue;
      text += new TextDecoder().decode(chunk);
      for (const line of text.split("\n").slice(0, -1)) {
        const found = read(line);
        if (found === undefined) continue;
        isFound = true;
        resolve(found);
      }
    }
    reject(new Error(`the server ended: ${text}`));
  })();
  reading.catch(reject);
  return promise.finally(() => clearTimeout(timer));
}

async function ended(child: Bun.Subprocess): Promise<void> {
  child.kill("SIGKILL");
  await child.exited;
}
