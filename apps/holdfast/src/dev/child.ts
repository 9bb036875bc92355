// Owns: one node process of `holdfast dev`, from the supervisor's side.
import type { Host, ToNode, ToSupervisor } from "../host.ts";

export interface ChildOptions {
  readonly host: Host;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onMessage: (message: ToSupervisor) => void;
  /** Called once with the exit status; 128 + the signal's number if a signal ended it. */
  readonly onExit: (status: number) => void;
}

export interface ChildProcess {
  /** Tells the node to move its clients away and end. It is killed `limitMs` later. */
  retire(limitMs: number): void;
  /** Tells the node to end now, in order. It is killed `limitMs` later. */
  end(limitMs: number): void;
  kill(): void;
}

/**
 * Starts a node process. It ends when this process does, because it watches the channel between the
 * two.
 */
export function startChild({ host, args, env, onMessage, onExit }: ChildOptions): ChildProcess {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const child = Bun.spawn([...host.self, ...args], {
    cwd: host.cwd,
    env: { ...host.env, ...env },
    stdio: ["ignore", "inherit", "inherit"],
    serialization: "json",
    // Both ends are this program: every message is one of its own.
    ipc: (message) => onMessage(message as ToSupervisor),
    onExit(_child, code, signal) {
      clearTimeout(timer);
      onExit(code ?? 128 + Number(signal ?? 0));
    },
  });
  const killAfter = (ms: number) => {
    clearTimeout(timer);
    timer = setTimeout(() => child.kill("SIGKILL"), ms);
  };
  return {
    retire(limitMs) {
      child.kill("SIGTERM");
      killAfter(limitMs);
    },
    end(limitMs) {
      const message: ToNode = { kind: "end" };
      // A process that is just starting, or has already ended, does not get the message; the time
      // limit ends it.
      if (child.exitCode === null) child.send(message);
      killAfter(limitMs);
    },
    kill: () => child.kill("SIGKILL"),
  };
}
