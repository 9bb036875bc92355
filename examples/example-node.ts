// Owns: what the examples' tests share: a node with an example's contract, and the lines that a
// program prints.
import { loadConfig } from "@holdfast/config";
import type { ContractDefinition } from "@holdfast/contract";
import { createLogger, createNode } from "@holdfast/server";
import { NODE_OPTIONS } from "@holdfast/server/options";

export interface ExampleNode extends AsyncDisposable {
  /** Where clients connect. */
  readonly url: string;
}

/** A node on a free port of loopback, open to anyone, that ends with its scope. */
export async function exampleNode(contract: ContractDefinition): Promise<ExampleNode> {
  const loopback = { host: "127.0.0.1", port: 0, internalHost: "127.0.0.1", internalPort: 0 };
  const loaded = loadConfig(NODE_OPTIONS, { defaults: { ...loopback, "auth.anonymous": true } });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.problems));
  const logger = createLogger({ level: "error", sink: (line) => console.error(line) });
  const node = await createNode({ config: loaded.config, contract, logger, version: "example" });
  await node.start();
  return {
    url: `ws://127.0.0.1:${node.port}/connect`,
    [Symbol.asyncDispose]: async () => {
      await node.stop();
    },
  };
}

/** Lines of a program's output, one for each call; fails when it ends first. */
export function linesOf(stream: ReadableStream<Uint8Array>): { next(): Promise<string> } {
  const lines = readLines(stream);
  return {
    next: async () => {
      const line = await lines.next();
      if (line.done === true) throw new Error("the program ended");
      return line.value;
    },
  };
}

async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
