// Owns: what the pages say about the machine of a comparison.
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import type { Machine } from "./result.ts";

export function thisMachine(): Machine {
  const kernel = `${readFileSync("/proc/sys/kernel/ostype", "utf8").trim()} ${release().split("-")[0]}`;
  return {
    processor: cpus()[0]?.model.trim() || "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel,
  };
}
