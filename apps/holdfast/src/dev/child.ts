// Owns: one node process of `holdfast dev`, as its supervisor sees it.
import type { Host, ToNode, ToSupervisor } from "../host.ts";

export interface ChildOptions {
  readonly host: Host;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly onMessage: (message: ToSupervisor) => void;
  /** Told once; 128 + number of the signal when one ended it. */
  readonly onExit: (status: number) => void;
}

export interface ChildProcess {
  /** Move your clients away and end. Killed `limitMs` later. */
  retire(limitMs: number): void;
  /** End now, in order; killed `limitMs` later. */
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
    // Both ends are this program: what comes is one of its own messages.
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
      // A process that is just starting or already gone cannot be told; the time limit ends it.
      if (child.exitCode === null) child.send(message);
      killAfter(limitMs);
    },
    kill: () => child.kill("SIGKILL"),
  };
}
