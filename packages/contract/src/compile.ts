// Owns: making a contract that a node can work with out of a definition.

import { Capabilities } from "./capability.ts";
import { definitionProblems } from "./check.ts";
import type { ChannelRules, Contract, RpcRules } from "./compiled.ts";
import type {
  ChannelDefinition,
  ContractDefinition,
  Hooks,
  Rule,
  SlowConsumerPolicy,
} from "./define.ts";
import { channelNameFault, matchPattern, type Pattern, parsePattern } from "./pattern.ts";
import { Recent } from "./recent.ts";
import { type CompiledPattern, CompiledRpc, ResolvedChannel } from "./rules.ts";
import { checkOptional, checkPayload, type PayloadValues, type ReportFault } from "./schema.ts";
import type { Dependencies } from "./server-context.ts";
import type { ChannelAction, StreamOptions } from "./terms.ts";

const HISTORY_SIZE_DEFAULT = 1000;
const HISTORY_TTL_MS_DEFAULT = 600_000;
const RESOLVED_DEFAULT = 20_000;

/** What the compiler must know beside the definition. */
export interface CompileOptions {
  /** Longest channel name in UTF-16 units. */
  readonly channelLengthMax: number;
  /** For permissions that the definition leaves out. */
  readonly defaultRule: "anyone" | "authenticated";
  readonly values: PayloadValues;
  /** Told of rules, schemas and handlers that throw or answer nonsense. MUST NOT throw. */
  readonly onError?: ReportFault;
  /** Resolved channels remembered at most (about 300 bytes each). Default 20,000. */
  readonly resolvedMax?: number;
}

/** The compiled contract, or every problem of its definition as one text each. */
export type CompileResult =
  | { readonly ok: true; readonly contract: Contract }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Checks the definition whole and compiles it; every problem is told, not only the first. Never
 * throws.
 */
export function compileContract(
  definition: ContractDefinition,
  options: CompileOptions,
): CompileResult {
  const problems = definitionProblems(definition, options);
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, contract: new CompiledContract(definition, options) };
}

class CompiledContract implements Contract {
  readonly hooks: Hooks;
  readonly dependencies: Dependencies | undefined;
  readonly patterns: readonly string[];
  readonly wantsDurable: boolean;
  readonly subscribePolicy: string;
  readonly #byHead: ReadonlyMap<string, readonly CompiledPattern[]>;
  readonly #headless: readonly CompiledPattern[];
  readonly #rpcs: ReadonlyMap<string, RpcRules>;
  readonly #channelLengthMax: number;
  readonly #resolved: Recent<ChannelRules>;

  constructor(definition: ContractDefinition, options: CompileOptions) {
    const compiled = compilePatterns(definition, options);
    this.hooks = definition.hooks ?? {};
    this.dependencies = definition.dependencies;
    this.patterns = compiled.map(({ pattern }) => pattern.text);
    this.wantsDurable = compiled.some(({ stream }) => stream.cls === "durable");
    this.subscribePolicy = policyOf(compiled, this.hooks);
    this.#byHead = groupByHead(compiled);
    this.#headless = compiled.filter(({ pattern }) => head(pattern) === undefined);
    const rpcOptions = {
      values: options.values,
      report: options.onError ?? (() => {}),
      defaultRule: options.defaultRule,
      middleware: definition.middleware ?? [],
    };
    this.#rpcs = new Map(
      Object.entries(definition.rpc ?? {}).map(([name, rpc]) => [
        name,
        new CompiledRpc(name, rpc, rpcOptions),
      ]),
    );
    this.#channelLengthMax = options.channelLengthMax;
    this.#resolved = new Recent(Math.ceil((options.resolvedMax ?? RESOLVED_DEFAULT) / 2));
  }

  resolve(channel: string): ChannelRules | undefined {
    const known = this.#resolved.get(channel);
    if (known !== undefined) return known;
    if (channelNameFault(channel, this.#channelLengthMax) !== undefined) return undefined;
    const colon = channel.indexOf(":");
    const candidates =
      this.#byHead.get(colon === -1 ? channel : channel.slice(0, colon)) ?? this.#headless;
    for (const compiled of candidates) {
      const params = matchPattern(compiled.pattern, channel);
      if (params === undefined) continue;
      const rules = new ResolvedChannel(channel, params, compiled);
      this.#resolved.set(channel, rules);
      return rules;
    }
    return undefined; // not remembered: names that nobody declared must not push out those in use
  }

  rpc(name: string): RpcRules | undefined {
    return this.#rpcs.get(name);
  }
}

/**
 * A hash (FNV-1a, 32 bits) of every pattern with its rule, in the order of declaration. What the
 * application decides is only named: nobody can compare functions.
 */
function policyOf(compiled: readonly CompiledPattern[], hooks: Hooks): string {
  const rules = compiled.map(({ pattern, rules: { subscribe } }) => [
    pattern.text,
    typeof subscribe === "string" ? subscribe : "function",
  ]);
  let hash = 0x811c9dc5;
  for (const unit of JSON.stringify([rules, hooks.onSubscribe !== undefined]))
    hash = Math.imul(hash ^ unit.charCodeAt(0), 0x01000193) >>> 0;
  return hash.toString(36);
}

/** The plain text before the first colon; undefined when a parameter stands there. */
function head(pattern: Pattern): string | undefined {
  const [first] = pattern.parts;
  return first?.param === undefined ? first?.before : undefined;
}

/** For each head, its patterns and those without a head, in the order of declaration. */
function groupByHead(
  compiled: readonly CompiledPattern[],
): Map<string, readonly CompiledPattern[]> {
  const groups = new Map<string, readonly CompiledPattern[]>();
  for (const text of new Set(compiled.map(({ pattern }) => head(pattern)))) {
    if (text === undefined) continue;
    groups.set(
      text,
      compiled.filter(({ pattern }) => head(pattern) === undefined || head(pattern) === text),
    );
  }
  return groups;
}

function compilePatterns(
  definition: ContractDefinition,
  options: CompileOptions,
): readonly CompiledPattern[] {
  const capabilities = new Capabilities();
  return Object.entries(definition.channels).flatMap(([text, channel]) => {
    const parsed = parsePattern(text, options.channelLengthMax);
    return parsed.ok ? [compilePattern(parsed.pattern, channel, { ...options, capabilities })] : [];
  });
}

function compilePattern(
  pattern: Pattern,
  channel: ChannelDefinition,
  options: CompileOptions & { readonly capabilities: Capabilities },
): CompiledPattern {
  const { values, capabilities, defaultRule } = options;
  const report = options.onError ?? (() => {});
  const { payload, presenceData, permissions = {} } = channel;
  const context = (what: string) => ({
    values,
    report,
    where: `${what} schema of ${pattern.text}`,
  });
  const payloadContext = context("payload");
  const presenceContext = context("presenceData");
  const stream = streamOptions(channel);
  const rule = (action: ChannelAction): Rule => permissions[action] ?? defaultRule;
  return {
    pattern,
    stream,
    presence: channel.presence ?? false,
    slowConsumer: channel.slowConsumer ?? defaultPolicy(stream),
    rules: {
      subscribe: rule("subscribe"),
      publish: rule("publish"),
      presence: rule("presence"),
      history: rule("history"),
    },
    capabilities,
    report,
    checkPayload:
      payload === undefined ? undefined : (data) => checkPayload(payload, data, payloadContext),
    checkPresence:
      presenceData === undefined
        ? undefined
        : (data) => checkOptional(presenceData, data, presenceContext),
  };
}

function streamOptions(channel: ChannelDefinition): StreamOptions {
  const cls = channel.class ?? "ordered";
  if (cls === "volatile") return { cls, sizeMax: 0, ttlMs: 0 };
  const { size = HISTORY_SIZE_DEFAULT, ttlMs = HISTORY_TTL_MS_DEFAULT } = channel.history ?? {};
  return { cls, sizeMax: size, ttlMs };
}

function defaultPolicy({ cls, sizeMax }: StreamOptions): SlowConsumerPolicy {
  if (cls === "volatile") return "drop";
  if (cls === "latest") return "conflate";
  return sizeMax === 0 ? "disconnect" : "catch-up";
}
