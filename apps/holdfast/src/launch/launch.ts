// Owns: starting the command on Bun from another runtime, and passing signals and the exit status
// until it ends.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { BunMissingError, findBun } from "./find-bun.ts";

/** The program, beside the folder of this module. */
export const MAIN: string = fileURLToPath(new URL("../main.js", import.meta.url));

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** As a shell says it. */
const STATUS_OF_SIGNAL = 128;
const STATUS_CANNOT_START = 127;

const INHERITED = ["inherit", "inherit", "inherit"] as const;
/**
 * Nothing is sent through it. It closes when this process has gone, also if it was killed: that
 * ends the program.
 */
export const CHANNEL = "ipc";

/** The process that was started by name: what of it is needed. */
export type Launcher = Pick<
  NodeJS.Process,
  "argv" | "versions" | "stdin" | "stderr" | "on" | "off" | "send"
>;

/**
 * Runs the command with the process's arguments and resolves with its exit status. Under Bun it
 * runs in this process.
 */
export async function launch(self: Launcher): Promise<number | undefined> {
  if (self.versions.bun !== undefined) {
    await import(MAIN);
    return undefined;
  }
  let bun: string;
  try {
    bun = findBun(MAIN);
  } catch (error) {
    if (!(error instanceof BunMissingError)) throw error;
    self.stderr.write(`${error.message}\n`);
    return STATUS_CANNOT_START;
  }
  const child = spawn(bun, [MAIN, ...self.argv.slice(2)], { stdio: [...INHERITED, CHANNEL] });
  // A terminal sends Ctrl-C to every process by itself. A signal to this process alone is passed
  // on.
  const handlers = SIGNALS.map((signal) => {
    const pass = () => {
      if (signal !== "SIGINT" || self.stdin.isTTY !== true) child.kill(signal);
    };
    self.on(signal, pass);
    return () => self.off(signal, pass);
  });
  return new Promise((resolve) => {
    const end = (status: number) => {
      for (const remove of handlers) remove();
      resolve(status);
    };
    child.once("error", (error) => {
      self.stderr.write(`Cannot start Holdfast: ${error.message}\n`);
      end(STATUS_CANNOT_START);
    });
    child.once("exit", (code, signal) =>
      end(code ?? STATUS_OF_SIGNAL + (signal === null ? 0 : constants.signals[signal])),
    );
  });
}
