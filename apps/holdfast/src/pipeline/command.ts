// Owns: `holdfast pipeline`: check definitions, run them over files, compare with golden files,
// replay what a node keeps.
import type { Command } from "commander";
import { ContractFileError } from "../contract-file.ts";
import { EXIT } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { checkPipelines } from "./check.ts";
import { EventsFileError } from "./events-file.ts";
import { replayPipeline } from "./replay.ts";
import { runPipeline } from "./run.ts";
import { testPipelines } from "./test.ts";

export function addPipeline(program: Command, host: Host, done: (code: number) => void): void {
  const pipeline = program
    .command("pipeline")
    .description("Check, run, replay and test pipelines, without a node.");
  const run =
    (work: (file: string, options: never) => Promise<number>) =>
    async (file: string, options: unknown): Promise<void> =>
      done(await guarded(() => work(file, options as never), host));
  pipeline
    .command("check")
    .argument("<file>", "contract in TypeScript, or pipelines in YAML or JSON")
    .description("Say what is wrong with the pipelines of a file, or what they do.")
    .action(run((file) => checkPipelines(file, host)));
  pipeline
    .command("run")
    .argument("<file>", "contract in TypeScript, or pipelines in YAML or JSON")
    .requiredOption("--input <events>", "file of events, one JSON text on each line")
    .option("--pipeline <name>", "which one, if the file has several")
    .option("--bare", "lines are values, not events with a value")
    .option("--open", "windows that are open at the end stay open")
    .description("Run a pipeline over a file of events and print what it gives, line by line.")
    .action(run((file, options) => runPipeline(file, options, host)));
  pipeline
    .command("test")
    .argument("<file>", "contract in TypeScript, or pipelines in YAML or JSON")
    .requiredOption("--cases <folder>", "files NAME.events.ndjson and NAME.expected.ndjson")
    .option("--update", "write what is found as what is expected")
    .description("Run pipelines over files of events and compare with what is expected.")
    .action(run((file, options) => testPipelines(file, options, host)));
  pipeline
    .command("replay")
    .argument("<file>", "contract in TypeScript, or pipelines in YAML or JSON")
    .requiredOption("--url <url>", "URL of a node's HTTP API, as in http://localhost:8000")
    .requiredOption("--channel <names...>", "channels whose history is read")
    .option("--pipeline <name>", "which one, if the file has several")
    .option("--api-key-env <name>", "variable with the key of the HTTP API", "HOLDFAST_API_KEY")
    .option("--open", "windows that are open at the end stay open")
    .description("Run a pipeline over what a node's channels keep. Publishes nothing.")
    .action(run((file, options) => replayPipeline(file, options, host)));
  for (const command of pipeline.commands)
    command.configureOutput({ writeOut: host.out, writeErr: host.err }).exitOverride();
}

async function guarded(work: () => Promise<number>, host: Host): Promise<number> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ContractFileError || error instanceof EventsFileError) {
      host.err(`${error.message}\n`);
      return EXIT.refused;
    }
    throw error;
  }
}
