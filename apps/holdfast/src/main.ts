#!/usr/bin/env bun
// Owns: the process: arguments, environment, signals, exit status. Everything else gets them as a
// Host. The command's code is imported after the signals are listened to. The first process of a
// container gets only signals that it listens to, and most of a start is importing.
import type { Host, Parent, StopSignal } from "./host.ts";

/** Sources of `bun build --compile` have paths below this one. */
const PACKED = import.meta.path.startsWith("/$bunfs/");
const SIGNALS: Readonly<Record<StopSignal, number>> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
/** Commands that handle signals themselves, from their start. */
const ENDS_ITSELF =
  ["serve", "dev-node", "operator", "gateway"].includes(process.argv[2] ?? "") &&
  process.argv[3] !== "check";

/** Processes that talk to their parent through the channel, and watch it themselves. */
const USES_CHANNEL = ["dev-node", "bench-worker"].includes(process.argv[2] ?? "");

const held: StopSignal[] = [];
let tell = (signal: StopSignal): void => {
  if (ENDS_ITSELF) held.push(signal);
  else process.exit(128 + SIGNALS[signal]);
};
let listens = false;
/** Never undone: without a listener a signal is lost. */
const listen = (): void => {
  if (listens) return;
  listens = true;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => tell(signal));
  }
};
// The system ends any other process by itself, but not the first one of a container.
if (ENDS_ITSELF || process.pid === 1) listen();
// Whoever started this with a channel has gone, perhaps killed: nobody else passes the signal on.
// Bun hands messages out as soon as anybody listens to the channel, so nobody does too early.
if (process.send !== undefined && !USES_CHANNEL) process.once("disconnect", () => tell("SIGTERM"));

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
    tell = listener;
    listen();
    for (const signal of held.splice(0)) listener(signal);
  },
  onFault(listener) {
    process.on("uncaughtException", (error) => listener("exception", error));
    process.on("unhandledRejection", (error) => listener("rejection", error));
  },
  exit: (code) => process.exit(code),
};

const { runCli } = await import("./cli.ts");
const code = await runCli(process.argv.slice(2), host);
// Pipes accept text at their own pace: all text is written before the process ends.
for (const stream of [process.stdout, process.stderr])
  await new Promise((resolve) => stream.write("", resolve));
process.exit(code);
