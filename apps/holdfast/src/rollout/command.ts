// Owns: `holdfast rollout`: what people and pipelines do with a release on Kubernetes.
import type { Command } from "commander";
import type { Host } from "../host.ts";
import { addSetCommands } from "./set-commands.ts";
import { addWait } from "./wait.ts";

/** Adds the command to the program. */
export function addRollout(program: Command, host: Host, done: (code: number) => void): void {
  const rollout = program
    .command("rollout")
    .description("Follow a release on Kubernetes, and steer one of a RealtimeSet.");
  addWait(rollout, host, done);
  addSetCommands(rollout, host, done);
  for (const command of rollout.commands)
    command.configureOutput({ writeOut: host.out, writeErr: host.err }).exitOverride();
}
