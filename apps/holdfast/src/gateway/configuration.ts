// Owns: the gateway's configuration of one run: its file, its environment, its flags.
import { optionRows } from "@holdfast/config";
import { GATEWAY_OPTIONS, type GatewayConfig } from "@holdfast/gateway/options";
import { Option } from "commander";
import { type Read, readTable } from "../configuration.ts";
import type { Host } from "../host.ts";

/** The file's name in the environment. */
export const GATEWAY_CONFIG_VARIABLE = "HOLDFAST_GATEWAY_CONFIG";

/** Path of the file; undefined: there is none. */
export function configurationFile(
  flags: Readonly<Record<string, unknown>>,
  host: Host,
): string | undefined {
  const named = flags.config ?? host.env[GATEWAY_CONFIG_VARIABLE];
  return typeof named === "string" && named !== "" ? named : undefined;
}

/** Reads everything anew. Refusals are one message for people. */
export function readGatewayConfiguration(
  flags: Readonly<Record<string, unknown>>,
  host: Host,
): Promise<Read<GatewayConfig>> {
  return readTable(GATEWAY_OPTIONS, configurationFile(flags, host), host, {
    env: host.env,
    envIgnored: [GATEWAY_CONFIG_VARIABLE],
    flags: givenFlags(flags),
  });
}

/** Flags by option name. */
function givenFlags(flags: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    optionRows(GATEWAY_OPTIONS).flatMap(({ name, flag }) => {
      const value = flag === undefined ? undefined : flags[new Option(flag).attributeName()];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
