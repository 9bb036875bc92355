// Owns: `holdfast gateway` and `holdfast gateway check`: their arguments.
import { optionRows } from "@holdfast/config";
import { GATEWAY_OPTIONS } from "@holdfast/gateway/options";
import { type Command, Option } from "commander";
import { EXIT_HELP } from "../exit-code.ts";
import type { Host } from "../host.ts";
import { checkGateway } from "./check.ts";
import { type GatewayFlags, runGateway } from "./run.ts";

/** Adds the command to the program. */
export function addGateway(program: Command, host: Host, done: (code: number) => void): void {
  const command = program
    .command("gateway")
    .description(
      "Run the gateway: it holds the WebSockets of any application while the servers behind it are replaced.",
    )
    .option("-c, --config <file>", "configuration file, YAML or JSON (HOLDFAST_GATEWAY_CONFIG)")
    .option("--context <name>", "of the kubeconfig, for services of Kubernetes")
    .option("--kubeconfig <file>", "instead of KUBECONFIG, ~/.kube/config or the pod's own access");
  for (const { flag, option, env } of optionRows(GATEWAY_OPTIONS))
    if (flag !== undefined)
      command.addOption(new Option(`${flag} <value>`, `${option.description} [${env}]`));
  command
    .addHelpText("after", `\nEvery option and route: docs/reference/gateway.md.\n${EXIT_HELP}\n`)
    .action(async (flags: GatewayFlags) => done(await runGateway(flags, host)));
  command
    .command("check <file>")
    .description(
      "Say what is wrong with a configuration file, and what a deploy of each service would do to its clients.",
    )
    .action(async (file: string) => done(await checkGateway(file, host)))
    .configureOutput({ writeOut: host.out, writeErr: host.err })
    .exitOverride();
}
