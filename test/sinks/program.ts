// Owns: servers of tests as processes: started, killed, frozen, started again.
import { connect } from "node:net";
import { sleep } from "bun";
import { patience } from "../patience.ts";

export interface Program {
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  freeze(): void;
  thaw(): void;
}

/** `listens`: whether it is ready; by default, whether the port takes connections. */
export function program(options: {
  readonly command: readonly string[];
  readonly port: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly isReady?: () => Promise<boolean>;
}): Program {
  const { command, port, env = {}, isReady = () => takesConnections(port) } = options;
  let child: Bun.Subprocess | undefined;
  return {
    async start() {
      if (child !== undefined) return;
      child = Bun.spawn([...command], {
        env: { ...process.env, ...env },
        ...{ stdin: "ignore", stdout: "ignore", stderr: "ignore" },
      });
      const untilMs = performance.now() + patience(20_000);
      while (!(await isReady())) {
        if (child.exitCode !== null) throw new Error(`${command[0]} ended: ${child.exitCode}`);
        if (performance.now() > untilMs) throw new Error(`${command[0]} does not listen`);
        await sleep(10);
      }
    },
    async kill() {
      child?.kill("SIGKILL");
      await child?.exited;
      child = undefined;
    },
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
  };
}

export function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

/** What a test needs that this machine must have. */
export function neededVariable(name: string): string {
  const found = process.env[name];
  if (found === undefined || found === "")
    throw new Error(`${name} is not set: npm test -- sinks finds or fetches the program`);
  return found;
}
