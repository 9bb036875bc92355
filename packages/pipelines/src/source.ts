// Owns: the port of sources: logs of others that a node reads into channels, as it is declared, as
// the node runs it, and what it tells.
import type { Outcome } from "@holdfast/contract";
import type { Clock, Random, StateStore } from "@holdfast/core";
import type { Payload } from "@holdfast/protocol";

/**
 * What a contract declares: `sources: { plant: kafkaSource({ ... }) }`. Plain data, so that YAML
 * can say the same.
 */
export interface LogSourceDefinition {
  /** Which adapter: `kafka` or `nats`. */
  readonly source: string;
  /** The adapter's own options, checked by it when the node starts. */
  readonly options: Readonly<Record<string, unknown>>;
  /**
   * Template of the channel: parameters of the topic's pattern, `{key}`, `{topic}`, `{partition}`,
   * or members of the record's value.
   */
  readonly channel: string;
  /** Template of the publication's key; default, in a `latest` channel, the record's key. */
  readonly key?: string;
  /** Channel for records that can never be published. Without it they are counted alone. */
  readonly dead?: string;
  /** What a record's bytes are. Default `json`. */
  readonly encoding?: SourceEncoding;
  /** Where to begin if nobody has read it yet. Default `oldest`. */
  readonly start?: "oldest" | "new";
}

export type SourceEncoding = "json" | "text" | "bytes";

/** Why a record is in no channel. */
export type SourceDeadReason =
  /** Its bytes are not what `encoding` says. */
  | "unreadable"
  /** The template has a place that the record has no legal value for. */
  | "name"
  /** The channel does not take it: unknown, not its schema, too large, refused by a hook. */
  | "refused";

/** What a source does on this node, since the node started. */
export interface SourceFigures {
  readonly name: string;
  /** Whether this node reads it now. */
  readonly isReading: boolean;
  readonly published: number;
  /** Records without a value, such as Kafka's tombstones. */
  readonly empty: number;
  readonly dead: Readonly<Record<SourceDeadReason, number>>;
  readonly bytes: number;
  /** Records that the log had removed before they were read. */
  readonly lost: number;
  readonly failures: number;
  /** Records of the log that are yet to be read, as of the last look; 0 if another node reads. */
  readonly lag: number;
  /** Whether it waits for pipelines that are behind. */
  readonly isHeldBack: boolean;
  /** Whether it waits for an operator: rights, names, a log that was made anew. */
  readonly isRefused: boolean;
}

/** How far the pipelines of a channel are behind. */
export interface SourceBehind {
  /** That the slowest of them has yet to take; infinite if a part of it runs nowhere. */
  readonly publications: number;
  /** Publications that the channel keeps. */
  readonly historySize: number;
}

/**
 * Codes of a publish after which another try of the same data cannot help. What has another code
 * may be repeated.
 */
export const FINAL_CODES: ReadonlySet<string> = new Set([
  "channel_unknown",
  "channel_invalid",
  "payload_invalid",
  "too_large",
  "rejected",
  "request_invalid",
]);

/** What the sources of a node need of it. */
export interface SourcePorts {
  readonly node: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly states: StateStore;
  readonly secret: (name: string) => string | undefined;
  readonly observer: SourceObserver;
  /** False: the node drains or stops, and another one reads. */
  isServing(): boolean;
  /** `NodeControl.publish`. */
  publish(
    channel: string,
    request: { readonly payload: Payload; readonly key?: string; readonly idempotencyKey: string },
  ): Promise<Outcome<unknown>>;
  /** The delivery class of a channel; undefined: no pattern matches. */
  classOf(channel: string): string | undefined;
  /** How far pipelines are behind that read a channel. Undefined: none reads it. */
  behind(channel: string): SourceBehind | undefined;
}

/** Told for logs. MUST NOT throw. */
export interface SourceObserver {
  reading(source: string): void;
  released(source: string): void;
  /** It is tried again after so many ms. The text has no secret. */
  failed(source: string, why: string, againMs: number): void;
  lost(source: string, partition: string, records: number): void;
  /** Told for the first of each reason, and then at most each 10 s. */
  dead(source: string, reason: SourceDeadReason, why: string): void;
}

/** The sources of one node. */
export interface NodeSources {
  start(): void;
  /** Reads nothing more, and gives up its leases. Resolves when that is done. */
  stop(): Promise<void>;
  figures(): readonly SourceFigures[];
}

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const ENCODINGS: readonly string[] = ["json", "text", "bytes"];
const SOURCES_MAX = 64;

/** What is wrong with definitions, whatever their adapters say. They may come from JavaScript. */
export function sourceProblems(
  sources: ReadonlyMap<string, LogSourceDefinition>,
): readonly string[] {
  const problems: string[] = [];
  if (sources.size > SOURCES_MAX)
    problems.push(`Cannot use the sources: found ${sources.size}, expected at most ${SOURCES_MAX}`);
  for (const [name, definition] of sources) {
    const say = (what: string, found: unknown, expected: string): void =>
      void problems.push(
        `Cannot use source "${name}": ${what}: found ${String(found)}, expected ${expected}`,
      );
    if (!NAME.test(name)) say("its name", name, "a letter, then up to 63 letters, digits, _ or -");
    for (const template of ["channel", "key", "dead"] as const) {
      const found: unknown = definition[template];
      if (found === undefined && template !== "channel") continue;
      if (typeof found !== "string" || found === "" || found.length > 500)
        say(template, found, "a text of at most 500 characters");
      else if (/[{}]/.test(found.replaceAll(/\{[A-Za-z_][A-Za-z0-9_]*\}/g, "")))
        say(template, found, "places such as {site}");
      else if (template === "dead" && found.includes("{"))
        say(template, found, "the name of a channel");
    }
    const { encoding = "json", start = "oldest" } = definition;
    if (!ENCODINGS.includes(encoding)) say("encoding", encoding, ENCODINGS.join(" or "));
    if (start !== "oldest" && start !== "new") say("start", start, "oldest or new");
  }
  return problems;
}

/** Sources by name, or what is wrong. */
export type DeclaredSources =
  | { readonly ok: true; readonly sources: ReadonlyMap<string, LogSourceDefinition> }
  | { readonly ok: false; readonly problems: readonly string[] };

/** What a contract declares under `sources`. It may come from JavaScript. */
export function declaredSources(contract: {
  readonly sources?: { readonly [Name in string]: unknown } | undefined;
}): DeclaredSources {
  const sources = new Map<string, LogSourceDefinition>();
  const problems: string[] = [];
  for (const [name, declared] of Object.entries(contract.sources ?? {})) {
    const { source, options } = (declared ?? {}) as Partial<LogSourceDefinition>;
    if (typeof source === "string" && typeof options === "object" && options !== null)
      sources.set(name, declared as LogSourceDefinition);
    else
      problems.push(
        `Cannot use source "${name}": found none, expected kafkaSource(...) or natsSource(...)`,
      );
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, sources };
}
