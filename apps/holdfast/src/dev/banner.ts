// Owns: the lines that `holdfast dev` prints when it is ready.
import type { Config } from "@holdfast/server/options";

export interface BannerFacts {
  readonly config: Config;
  readonly port: number;
  /** Undefined if each node has its own. */
  readonly internalPort: number | undefined;
  readonly nodes: number;
  /** The contract file, or undefined for the demo. */
  readonly contract: string | undefined;
  readonly startedInMs: number;
  readonly colors: boolean;
}

/** A few lines with one URL to open. */
export function banner({
  config,
  port,
  internalPort,
  nodes,
  contract,
  startedInMs,
  colors,
}: BannerFacts): string {
  const paint = (code: string, text: string) => (colors ? `\u001b[${code}m${text}\u001b[0m` : text);
  const scheme = config.tls.certFile === undefined ? "http" : "https";
  const host = ["127.0.0.1", "0.0.0.0", "::", "::1"].includes(config.host)
    ? "localhost"
    : config.host;
  const dim = (text: string) => paint("90", text);
  return [
    "",
    `  ${paint("1;36", "holdfast dev")} ${dim(`ready in ${startedInMs} ms`)}`,
    "",
    `  ${paint("1", `${scheme}://${host}:${port}/`)}`,
    dim("  /pipelines there shows pipelines as they run"),
    "",
    dim(
      `  ${contract === undefined ? "the demo's contract; write holdfast.config.ts for your own" : `contract ${contract}, watched`}`,
    ),
    dim(
      internalPort === undefined
        ? `  ${nodes} nodes behind a balancer, each with metrics and health on its own internalPort; Ctrl-C stops`
        : `  metrics and health on port ${internalPort}; Ctrl-C stops`,
    ),
    "",
    "",
  ].join("\n");
}
