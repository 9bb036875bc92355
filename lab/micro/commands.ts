// Owns: how the bench talks with the processes it starts: JSON lines on stdin and stdout, one
// answer for each command.

import { createInterface } from "node:readline";
import { BenchError } from "./bench-error.ts";

export type Data = Readonly<Record<string, unknown>>;
export type Handler = (command: Data) => Data | Promise<Data>;

/**
 * Says `hello`, then answers commands one after another until stdin ends. A handler that throws is
 * answered with `{ error }`.
 */
export async function answerCommands(
  hello: Data,
  handlers: Readonly<Record<string, Handler>>,
): Promise<void> {
  const say = (line: Data) => process.stdout.write(`${JSON.stringify(line)}\n`);
  say(hello);
  for await (const line of createInterface({ input: process.stdin })) {
    const command = JSON.parse(line) as Data;
    try {
      const handler = handlers[String(command.cmd)];
      if (handler === undefined)
        throw new BenchError(
          "command_unknown",
          `Cannot do ${String(command.cmd)}: expected one of ${Object.keys(handlers).join(", ")}`,
        );
      say(await handler(command));
    } catch (error) {
      say({ error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  process.exit(0);
}
