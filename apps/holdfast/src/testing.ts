// Owns: running a command line in this process, for tests: it returns the output and the exit
// status.
import { runCli } from "./cli.ts";

export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function runCommand(
  argv: readonly string[],
  {
    env = {},
    cwd = import.meta.dir,
  }: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<Run> {
  const written = { out: "", err: "" };
  const code = await runCli(argv, {
    env,
    cwd,
    self: ["bun", "main.ts"],
    packed: false,
    colors: false,
    parent: undefined,
    out: (text) => {
      written.out += text;
    },
    err: (text) => {
      written.err += text;
    },
    onSignal: () => {},
    onFault: () => {},
    exit: () => {},
  });
  return { code, ...written };
}
