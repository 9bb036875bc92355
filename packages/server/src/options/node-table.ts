// Owns: the options of a node and the rules between them as the one table that programs read.
import type { OptionTable } from "@holdfast/config";
import { type Config, OPTIONS } from "./node-options.ts";
import { brokenRelations } from "./relations.ts";

/** Every option of `holdfast serve` and `holdfast dev`. */
export const NODE_OPTIONS: OptionTable<Config> = {
  options: OPTIONS,
  envPrefix: "HOLDFAST_",
  page: "docs/reference/options.md",
  broken: brokenRelations,
};
