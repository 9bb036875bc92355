// Owns: the flags of `holdfast plan`: the meaning of each, how its value is read, and which values
// are allowed.

export type FlagName =
  | "clients"
  | "messages"
  | "room-size"
  | "rooms-per-client"
  | "message-size"
  | "history"
  | "growth"
  | "deploys"
  | "node-cores"
  | "node-memory"
  | "connections-max"
  | "descriptors"
  | "handshakes"
  | "nodes"
  | "zones"
  | "headroom"
  | "recovery"
  | "balancer"
  | "node-start"
  | "drain-pre-delay"
  | "drain-window"
  | "drain-per-second-max"
  | "seed";

/** Options as the command line gives them. */
export type Given = Readonly<Record<string, unknown>>;

export interface PlanFlag {
  readonly name: FlagName;
  /** Its name among the given options. */
  readonly key: string;
  readonly value: string;
  readonly group: string;
  readonly help: string;
  readonly kind: Kind;
  readonly least: number;
  readonly most: number;
  readonly expected: string;
  readonly required?: true;
}

type Kind = "count" | "number" | "share" | "bytes" | "time" | "balancer";

const FACTORS: Readonly<Record<Kind, Readonly<Record<string, number>>>> = {
  count: { "": 1, k: 1e3, M: 1e6 },
  number: { "": 1, k: 1e3, M: 1e6 },
  share: { "": 1, "%": 0.01 },
  bytes: { "": 1, kB: 1e3, MB: 1e6, GB: 1e9, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 },
  time: { ms: 1, s: 1000, m: 60_000, h: 3_600_000 },
  balancer: {},
};
const EXAMPLES: Readonly<Record<Kind, string>> = {
  count: "a whole number like 500, 20k or 10M",
  number: "a number like 500, 2.5 or 20k",
  share: "a share like 0.3 or 30%",
  bytes: "a size like 200, 512MiB or 4GB",
  time: "a time like 500ms, 30s or 5m",
  balancer: "least-connections or random",
};

type Row = readonly [name: FlagName, kind: Kind, least: number, most: number, help: string];

const DEMAND: readonly Row[] = [
  ["clients", "count", 1, 100e6, "clients that are connected at the busiest time"],
  [
    "messages",
    "number",
    0,
    1e9,
    "messages that all of them and the back end publish in a second, together",
  ],
  ["room-size", "number", 1, 100e6, "subscribers of a room (default 100)"],
  ["rooms-per-client", "number", 0, 1000, "rooms that a client is in (default 1)"],
  ["message-size", "bytes", 1, 16 * 1024 ** 2, "data of a message (default 100)"],
  ["history", "count", 0, 1e6, "messages that a room's history keeps (default 100)"],
  ["growth", "share", 0, 10, "growth in a month; adds the nodes of the next two years"],
  ["deploys", "number", 0, 1000, "deploys a day (default 1)"],
];
const NODE: readonly Row[] = [
  [
    "node-cores",
    "number",
    0.05,
    1024,
    "cores of a node; its event loop uses one at most (default 1)",
  ],
  [
    "node-memory",
    "bytes",
    32 * 1024 ** 2,
    64 * 1024 ** 4,
    "memory of a node, the kernel's for its sockets with it (default 1GiB)",
  ],
  ["connections-max", "count", 1, 1e6, "limits.connectionsMax (default 10000)"],
  ["descriptors", "count", 512, 1e9, "open files of the process (default 65536)"],
  ["handshakes", "number", 1, 100_000, "A: admission.handshakesPerSecond (default 500)"],
];
const FLEET: readonly Row[] = [
  ["nodes", "count", 1, 100_000, "look at so many nodes instead of finding how many are needed"],
  ["zones", "count", 1, 100, "zones that the nodes are spread over (default 1)"],
  [
    "headroom",
    "share",
    0,
    0.95,
    "what stays free of CPU, memory and connections on an ordinary day (default 0.3)",
  ],
  [
    "recovery",
    "time",
    1000,
    3_600_000,
    "everyone is to be back within this after all connections were lost (default 60s)",
  ],
  [
    "balancer",
    "balancer",
    0,
    0,
    "how newcomers are dealt out: least-connections (default) or random",
  ],
  ["node-start", "time", 0, 3_600_000, "from the start of a node until it is ready (default 10s)"],
  ["drain-pre-delay", "time", 0, 600_000, "drain.preDelayMs (default 5s)"],
  ["drain-window", "time", 1000, 86_400_000, "drain.windowMs (default: what the pace needs)"],
  ["drain-per-second-max", "number", 0.1, 100_000, "drain.perSecondMax (default 500)"],
  ["seed", "count", 0, 2 ** 31, "of the simulation's chance (default 1)"],
];

const REQUIRED: ReadonlySet<FlagName> = new Set(["clients", "messages"]);

/** Every flag, in the order of the help. */
export const PLAN_FLAGS: readonly PlanFlag[] = [
  ...rows("Demand", DEMAND),
  ...rows("Node", NODE),
  ...rows("Fleet", FLEET),
];

function rows(group: string, table: readonly Row[]): readonly PlanFlag[] {
  return table.map(([name, kind, least, most, help]) => ({
    name,
    key: name.replaceAll(/-(\w)/g, (_all, letter: string) => letter.toUpperCase()),
    value: kind === "balancer" ? "kind" : kind === "bytes" ? "size" : kind,
    group,
    help,
    kind,
    least,
    most,
    expected:
      kind === "balancer"
        ? EXAMPLES.balancer
        : `${EXAMPLES[kind]}, from ${shown(kind, least)} to ${shown(kind, most)}`,
    ...(REQUIRED.has(name) ? { required: true as const } : {}),
  }));
}

function shown(kind: Kind, value: number): string {
  if (kind === "time") return `${value / 1000}s`;
  return kind === "bytes" && value >= 1024 ** 2
    ? `${value / 1024 ** 2}MiB`
    : value.toLocaleString("en-US");
}

/** The value of a flag: ms, bytes, a share or a number; undefined: it cannot be used. */
export function readFlag(
  { kind, least, most }: PlanFlag,
  text: string,
): number | string | undefined {
  if (kind === "balancer")
    return text === "random" || text === "least-connections" ? text : undefined;
  const [, digits = "", unit = ""] =
    /^(\d+(?:_\d{3})*(?:\.\d+)?|\.\d+)\s*([a-zA-Z%]*)$/.exec(text) ?? [];
  const factor = Object.entries(FACTORS[kind]).find(([name]) => name === unit)?.[1];
  if (digits === "" || factor === undefined) return undefined;
  // 29 % is 0.29 and not a little more.
  const value = Number((Number(digits.replaceAll("_", "")) * factor).toPrecision(12));
  return value >= least && value <= most && (kind !== "count" || Number.isInteger(value))
    ? value
    : undefined;
}
