// Owns: real MQTT brokers for tests, with a directory each, that can be stopped and started again.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "bun";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";

export interface Broker {
  readonly address: string;
  start(): Promise<void>;
  /** SIGTERM: it writes its sessions. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
  /** Ends it and removes its directory. */
  remove(): Promise<void>;
}

/** A broker with a WebSocket listener alone. It keeps sessions on disk, at every change. */
export async function startBroker(): Promise<Broker> {
  const { MOSQUITTO: program = "mosquitto", MOSQUITTO_LIBRARIES = "" } = process.env;
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mosquitto-"));
  const port = await freePort();
  const lines = [
    ...["user root", "allow_anonymous true"],
    // Version 2.0.11 ends if it has a WebSocket listener alone.
    `listener 0 ${folder}/socket`,
    ...[`listener ${port} 127.0.0.1`, "protocol websockets"],
    ...["persistence true", `persistence_location ${folder}/`, "autosave_on_changes true"],
    ...["autosave_interval 1", "max_queued_messages 0", "log_dest none"],
  ];
  const file = join(folder, "mosquitto.conf");
  await Bun.write(file, `${lines.join("\n")}\n`);
  let child: Bun.Subprocess | undefined;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    // One that is frozen would acknowledge something before it dies.
    if (signal !== "SIGKILL") child?.kill("SIGCONT");
    child?.kill(signal);
    await child?.exited;
    child = undefined;
  };
  const broker: Broker = {
    address: `127.0.0.1:${port}`,
    async start() {
      child = Bun.spawn([program, "-c", file], {
        env: { ...process.env, LD_LIBRARY_PATH: MOSQUITTO_LIBRARIES },
        ...{ stdin: "ignore", stdout: "ignore", stderr: "inherit" },
      });
      const untilMs = performance.now() + patience(10_000);
      while (!(await answers(port))) {
        if (child.exitCode !== null) throw new Error(`mosquitto ended with ${child.exitCode}`);
        if (performance.now() > untilMs) throw new Error("mosquitto does not listen");
        await sleep(20);
      }
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    async remove() {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await broker.start();
  return broker;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, ["mqtt"]);
    socket.onopen = () => {
      resolve(true);
      socket.close();
    };
    socket.onerror = () => resolve(false);
  });
}
