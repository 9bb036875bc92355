// Owns: the flags of the simulation's command line.

export interface Flags {
  readonly seeds: number;
  readonly from: number;
  /** Faults of the plan, by index; absent: all. */
  readonly only: readonly number[] | undefined;
  readonly trace: boolean;
  readonly frames: boolean;
  readonly shrink: boolean;
  /** Stop after this many failing seeds. */
  readonly failures: number;
}

const USAGE = `npm run simulate -- [--seeds N] [--from S] [--only 0,3,…] [--trace] [--frames] [--no-shrink] [--failures N]
  --seeds N     how many seeds (default 1000)
  --from S      the first one (default 1)
  --only LIST   only these faults of the plan, by number, or none
  --trace       print every event
  --frames      with every frame
  --no-shrink   do not look for the faults that matter
  --failures N  stop after so many failing seeds (default 3)`;

/** The flags, or what is wrong with them and the usage. */
export function flagsOf(args: readonly string[]): Flags | string {
  const flags = {
    seeds: 1000,
    from: 1,
    only: undefined as readonly number[] | undefined,
    trace: false,
    frames: false,
    shrink: true,
    failures: 3,
  };
  for (let index = 0; index < args.length; index++) {
    const arg = args[index];
    if (arg === "--trace" || arg === "--frames")
      flags[arg === "--trace" ? "trace" : "frames"] = true;
    else if (arg === "--no-shrink") flags.shrink = false;
    else if (arg === "--seeds" || arg === "--from" || arg === "--failures") {
      const value = Number(args[++index]);
      if (!Number.isInteger(value) || value < 0) return `${arg} needs a whole number\n${USAGE}`;
      flags[arg === "--seeds" ? "seeds" : arg === "--from" ? "from" : "failures"] = value;
    } else if (arg === "--only") {
      const text = args[++index] ?? "";
      const list =
        text === "none"
          ? []
          : text.split(",").map((part) => (part === "" ? Number.NaN : Number(part)));
      if (list.some((value) => !Number.isInteger(value) || value < 0))
        return `--only needs numbers of faults\n${USAGE}`;
      flags.only = list;
    } else return arg === "--help" ? USAGE : `${arg} is not known\n${USAGE}`;
  }
  return flags;
}
