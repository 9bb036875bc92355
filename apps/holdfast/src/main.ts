#!/usr/bin/env bun
// Owns: the process: arguments, environment, signals, exit status. Everything else gets them as a
// Host.
import { runCli } from "./cli.ts";
import type { Host, Parent, StopSignal } from "./host.ts";

/** Sources of `bun build --compile` have paths below this one. */
const PACKED = import.meta.path.startsWith("/$bunfs/");
const SIGNALS: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP"];

function parentOf(): Parent | undefined {
  const send = process.send?.bind(process);
  if (send === undefined) return undefined;
  return {
    send(message) {
      if (process.connected) send(message);
    },
    onMessage: (listener) => void process.on("message", listener),
    onGone: (listener) => void process.once("disconnect", listener),
  };
}

const host: Host = {
  env: process.env,
  cwd: process.cwd(),
  self: PACKED ? [process.execPath] : [process.execPath, import.meta.path],
  packed: PACKED,
  colors: process.stdout.isTTY === true && process.env.NO_COLOR === undefined,
  parent: parentOf(),
  ...(process.stderr.isTTY === true ? { screen: { columns: () => process.stderr.columns } } : {}),
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  onSignal(listener) {
    for (const signal of SIGNALS) process.on(signal, () => listener(signal));
  },
  onFault(listener) {
    process.on("uncaughtException", (error) => listener("exception", error));
    process.on("unhandledRejection", (error) => listener("rejection", error));
  },
  exit: (code) => process.exit(code),
};

const code = await runCli(process.argv.slice(2), host);
// Pipes take text at their own pace: what was written is handed over before the process ends.
for (const stream of [process.stdout, process.stderr])
  await new Promise((resolve) => stream.write("", resolve));
process.exit(code);
