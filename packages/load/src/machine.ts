// Owns: the facts about the measuring machine in a result.
import { cpus, release, totalmem, type } from "node:os";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
}

/** The kernel's version comes without its builder's suffix. */
export function machine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() || "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: `${type()} ${release().split("-")[0]}`,
  };
}
