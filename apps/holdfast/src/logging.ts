// Owns: the log of this program: lines on standard output, as the configuration says.

import { createLogger, type Logger } from "@holdfast/server";
import type { Config } from "@holdfast/server/options";
import type { Host } from "./host.ts";

export function createAppLogger({ log }: Pick<Config, "log">, host: Host): Logger {
  return createLogger({
    sink: (line) => host.out(`${line}\n`),
    level: log.level,
    format: log.format,
    colors: host.colors,
  });
}
