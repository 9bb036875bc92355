// Owns: the commands and their arguments. Options of a node come from the option table.
import { type OptionRow, optionRows } from "@holdfast/config";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { printConfig } from "./config-command.ts";
import type { Arguments } from "./configuration.ts";
import { runDevNode } from "./dev/dev-node.ts";
import { FLEET_NODES_MAX } from "./dev/fleet-names.ts";
import { runDev } from "./dev/run-dev.ts";
import { EXIT, EXIT_HELP } from "./exit-code.ts";
import type { Host } from "./host.ts";
import { printKey } from "./keygen-command.ts";
import { runProbe } from "./probe-command.ts";
import { runServe } from "./serve-command.ts";
import { printToken } from "./token-command.ts";
import { VERSION } from "./version.ts";

/**
 * Runs one command line (without program and script) and resolves with its exit status. Never
 * rejects for what the user did.
 */
export async function runCli(argv: readonly string[], host: Host): Promise<number> {
  let code: number = EXIT.ok;
  const done = (status: number): void => {
    code = status;
  };
  const program = buildProgram(host, done);
  if (argv[0] === "gateway") (await import("./gateway/command.ts")).addGateway(program, host, done);
  else if (!NODE_COMMANDS.has(argv[0] ?? "")) await addTools(program, host, done);
  for (const command of program.commands)
    command.configureOutput({ writeOut: host.out, writeErr: host.err }).exitOverride();
  try {
    await program.parseAsync([...argv], { from: "user" });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.refused;
    throw error;
  }
}

function buildProgram(host: Host, done: (code: number) => void): Command {
  const program = new Command("holdfast")
    .description("Real-time channels that survive deploys.")
    .version(VERSION, "-v, --version")
    .addHelpText("after", `\n${EXIT_HELP}\n`)
    .showHelpAfterError("(--help shows what there is)")
    .configureOutput({ writeOut: host.out, writeErr: host.err })
    .exitOverride();

  withNodeOptions(
    program.command("dev", { isDefault: false }).addOption(nodesOption().helpGroup("Development:")),
  )
    .description(
      "Run a node for development: embedded broker, anonymous clients, restarts without disconnecting anyone. Opens the demo unless there is a holdfast.config.ts.",
    )
    .action(async (options: { nodes?: number }, command: Command) =>
      done(await runDev(argumentsOf(command), options.nodes ?? 1, host)),
    );
  withNodeOptions(program.command("serve"))
    .description(
      "Run a node. Refuses to start without a way to check tokens, unless --auth-insecure says so.",
    )
    .action(async (_options, command: Command) => done(await runServe(argumentsOf(command), host)));
  withNodeOptions(program.command("config"))
    .description(
      "Print the configuration in force, with the source of each value and without secrets.",
    )
    .option("--json", "print JSON")
    .action(async (options: { json?: boolean }, command: Command) =>
      done(await printConfig(argumentsOf(command), options.json ?? false, host)),
    );
  program
    .command("token")
    .description("Make a token signed with auth.jwt.hmacSecret, for trying things out.")
    .option("-c, --config <file>", "configuration file, YAML or JSON")
    .requiredOption("--sub <user>", "who the token is for")
    .option(
      "--cap <pattern=actions>",
      "capability, as in chat:*=subscribe,publish; repeat for more",
      (value: string, all: string[]) => [...all, value],
      [],
    )
    .option("--info <json>", "claim info, for the application")
    .option("--ttl <time>", "how long it is good", "1h")
    .action(async (options, command: Command) =>
      done(await printToken(options, argumentsOf(command), host)),
    );
  program
    .command("keygen")
    .description("Make a key for the HTTP API, and the hash to configure.")
    .option("--name <name>", "name of the key, for logs", "backend")
    .option("--scopes <scopes>", "what it may do, separated by commas", "publish")
    .action((options) => done(printKey(options, host)));
  addProbe(program, host, done);
  withNodeOptions(program.command("dev-node", { hidden: true }))
    .addOption(nodesOption())
    .option("--no-orders")
    .action(async (options: { nodes?: number; orders: boolean }, command: Command) =>
      done(
        await runDevNode(
          argumentsOf(command),
          { nodes: options.nodes ?? 1, takesOrders: options.orders },
          host,
        ),
      ),
    );
  return program;
}

/**
 * A node's process does not load the tools: they take no memory there, and do not delay its start.
 */
const NODE_COMMANDS: ReadonlySet<string> = new Set(["serve", "dev", "dev-node"]);

async function addTools(program: Command, host: Host, done: (code: number) => void): Promise<void> {
  const [
    { addBench },
    { addDoctor },
    { addGateway },
    { addOperator },
    { addPipeline },
    { addPlan },
    { addRollout },
  ] = await Promise.all([
    import("./bench/command.ts"),
    import("./doctor-command.ts"),
    import("./gateway/command.ts"),
    import("./operator/command.ts"),
    import("./pipeline/command.ts"),
    import("./plan-command.ts"),
    import("./rollout/command.ts"),
  ]);
  addBench(program, host, done);
  addDoctor(program, host, done);
  addGateway(program, host, done);
  addOperator(program, host, done);
  addPipeline(program, host, done);
  addPlan(program, host, done);
  addRollout(program, host, done);
}

function addProbe(program: Command, host: Host, done: (code: number) => void): void {
  program
    .command("probe")
    .description(
      "Check a running node as a client: connect, publish, receive, lose the connection, come back and find what was missed.",
    )
    .requiredOption("--url <url>", "its URL, as in ws://localhost:8000/connect")
    .option(
      "--channel <name>",
      "channel to publish to, with a history; without one it only connects and comes back",
    )
    .option("--data <json>", 'what is published (default {"probe":true})')
    .option(
      "--token-file <file>",
      "file with a token; without one, auth.jwt.hmacSecret signs one if it is configured",
    )
    .option(
      "--plain",
      "ask for a plain WebSocket alone, as of an application behind a gateway; an application that refuses it passes, too",
    )
    .option("--host <name>", "with --plain: sent as Host instead of the URL's")
    .option("--timeout <time>", "of all steps together", "30s")
    .option("-c, --config <file>", "configuration file, YAML or JSON, for auth.jwt")
    .action(async (options, command: Command) =>
      done(await runProbe(options, argumentsOf(command), host)),
    );
}

/**
 * One flag for each row of the table that has one. Values are read and refused by the table, not
 * here.
 */
function withNodeOptions(command: Command): Command {
  command.option("-c, --config <file>", "configuration file, YAML or JSON (HOLDFAST_CONFIG)");
  for (const row of optionRows(NODE_OPTIONS)) {
    if (row.flag === undefined) continue;
    command.addOption(
      new Option(`${row.flag} ${valueName(row)}`, helpOf(row)).helpGroup(groupOf(row.name)),
    );
  }
  return command.addHelpText(
    "after",
    `\nEvery option can be given in the file and in the environment too: docs/reference/options.md.\n${EXIT_HELP}\n`,
  );
}

/**
 * A flag of the command, not an option of a node: a node does not choose how many nodes there are.
 */
function nodesOption(): Option {
  const help = `how many nodes, 1 to ${FLEET_NODES_MAX}; more than one are a fleet behind a balancer (default 1)`;
  return new Option("--nodes <count>", help).argParser((text) => {
    if (/^\d$/.test(text) && Number(text) >= 1 && Number(text) <= FLEET_NODES_MAX)
      return Number(text);
    throw new InvalidArgumentError(`It is a whole number from 1 to ${FLEET_NODES_MAX}.`);
  });
}

function valueName({ option }: OptionRow): string {
  if (option.kind === "boolean") return "[true|false]";
  if (option.kind === "choice") return `<${option.allowed.replaceAll(", ", "|")}>`;
  return `<${option.kind === "bytes" ? "size" : option.kind === "duration" ? "time" : option.kind}>`;
}

function helpOf({ option, env }: OptionRow): string {
  const value = option.default;
  const shown =
    value === undefined || typeof value === "object"
      ? ""
      : ` (default ${String(value)}${option.unit === "ms" ? " ms" : option.unit === "bytes" ? " bytes" : ""})`;
  return `${option.description.split(/(?<=[.;:]) /)[0]?.replace(/[.;:]$/, "") ?? ""}${shown} [${env}]`;
}

function groupOf(name: string): string {
  return name.includes(".") ? `${name.slice(0, name.lastIndexOf("."))}:` : "Node:";
}

/** Given flags by option name. */
function argumentsOf(command: Command): Arguments {
  const given = command.opts<Record<string, unknown>>();
  const options: Record<string, unknown> = {};
  for (const row of optionRows(NODE_OPTIONS)) {
    const key = row.flag === undefined ? undefined : new Option(row.flag).attributeName();
    if (key !== undefined && given[key] !== undefined) options[row.name] = given[key];
  }
  return { ...(typeof given.config === "string" ? { config: given.config } : {}), options };
}
