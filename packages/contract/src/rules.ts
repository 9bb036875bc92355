// Owns: what a compiled contract answers: permissions, checks of data, calls of RPCs.
import type { Payload } from "@holdfast/protocol";
import type { Capabilities } from "./capability.ts";
import type { ChannelRules, RpcRules } from "./compiled.ts";
import type { RpcDefinition, RpcRule, Rule, SessionView, SlowConsumerPolicy } from "./define.ts";
import type { Params, Pattern } from "./pattern.ts";
import { checkValue, formOf, isThenable, type PayloadValues, type ReportFault } from "./schema.ts";
import { passesAfterMs, type RpcContext, type RpcMiddleware } from "./server-context.ts";
import type { ChannelAction, Identity, Outcome, StreamOptions } from "./terms.ts";

/** What all names of one pattern share. */
export interface CompiledPattern {
  readonly pattern: Pattern;
  readonly stream: StreamOptions;
  readonly presence: boolean;
  readonly slowConsumer: SlowConsumerPolicy;
  readonly rules: Readonly<Record<ChannelAction, Rule>>;
  readonly capabilities: Capabilities;
  readonly report: ReportFault;
  readonly checkPayload: NonNullable<ChannelRules["checkPayload"]> | undefined;
  readonly checkPresence: NonNullable<ChannelRules["checkPresence"]> | undefined;
}

/** The rules of one channel: its pattern's, with the parameters' values. */
export class ResolvedChannel implements ChannelRules {
  readonly channel: string;
  readonly params: Params;
  readonly checkPayload?: NonNullable<ChannelRules["checkPayload"]>;
  readonly checkPresence?: NonNullable<ChannelRules["checkPresence"]>;
  readonly #compiled: CompiledPattern;

  constructor(channel: string, params: Params, compiled: CompiledPattern) {
    this.channel = channel;
    this.params = params;
    this.#compiled = compiled;
    if (compiled.checkPayload !== undefined) this.checkPayload = compiled.checkPayload;
    if (compiled.checkPresence !== undefined) this.checkPresence = compiled.checkPresence;
  }

  get pattern(): string {
    return this.#compiled.pattern.text;
  }
  get stream(): StreamOptions {
    return this.#compiled.stream;
  }
  get presence(): boolean {
    return this.#compiled.presence;
  }
  get slowConsumer(): SlowConsumerPolicy {
    return this.#compiled.slowConsumer;
  }

  byClaims(action: ChannelAction): boolean {
    return typeof this.#compiled.rules[action] === "string";
  }

  allows(
    action: ChannelAction,
    session: SessionView,
    identity: Identity,
  ): boolean | Promise<boolean> {
    const { rules, capabilities, report, pattern } = this.#compiled;
    const rule = rules[action];
    switch (rule) {
      case "anyone":
        return true;
      case "authenticated":
        return identity.user !== undefined;
      case "token":
        return (
          identity.caps !== undefined && capabilities.allow(identity.caps, action, this.channel)
        );
      case "nobody":
        return false;
      default:
        return decide(
          () => rule(session, this.params),
          report,
          `permission ${action} of ${pattern.text}`,
        );
    }
  }
}

/** Asks the application. Only `true` allows; whatever else happens is refused and reported. */
function decide(
  ask: () => boolean | Promise<boolean>,
  report: ReportFault,
  where: string,
): boolean | Promise<boolean> {
  const refuse = (error: unknown): false => {
    report(where, error);
    return false;
  };
  const judge = (answer: unknown): boolean => {
    if (typeof answer !== "boolean")
      report(
        where,
        new TypeError(`Cannot use the rule's answer: found ${typeof answer}, expected a boolean`),
      );
    return answer === true;
  };
  try {
    const answer = ask();
    return isThenable(answer) ? Promise.resolve(answer).then(judge).catch(refuse) : judge(answer);
  } catch (error) {
    return refuse(error);
  }
}

export interface RpcOptions {
  readonly values: PayloadValues;
  readonly report: ReportFault;
  readonly defaultRule: "anyone" | "authenticated";
  readonly middleware: readonly RpcMiddleware[];
}

/** One RPC of the contract. */
export class CompiledRpc implements RpcRules {
  readonly name: string;
  readonly #definition: RpcDefinition;
  readonly #allow: RpcRule;
  readonly #options: RpcOptions;

  constructor(name: string, definition: RpcDefinition, options: RpcOptions) {
    this.name = name;
    this.#definition = definition;
    this.#allow = definition.allow ?? options.defaultRule;
    this.#options = options;
  }

  allows(session: SessionView, identity: Identity): boolean | Promise<boolean> {
    const rule = this.#allow;
    if (rule === "anyone") return true;
    if (rule === "authenticated") return identity.user !== undefined;
    return decide(() => rule(session), this.#options.report, `permission of rpc ${this.name}`);
  }

  async call(
    input: Payload | undefined,
    context: RpcContext,
  ): Promise<Outcome<Payload | undefined>> {
    const { values, report } = this.#options;
    const { input: schema } = this.#definition;
    const checked = await checkValue(schema, input, {
      values,
      report,
      where: `input schema of rpc ${this.name}`,
    });
    if (!checked.ok) return checked;
    try {
      const output = await this.#output(await this.#run(checked.value, context));
      return {
        ok: true,
        value: output === undefined ? undefined : values.fromValue(output, formOf(input)),
      };
    } catch (error) {
      if (isRejection(error)) return { ok: false, code: "rejected", message: error.message };
      const retryMs = passesAfterMs(error);
      if (retryMs !== undefined) return this.#unavailable(error, retryMs, context);
      report(`rpc ${this.name}`, error);
      return { ok: false, code: "rpc_failed", message: `The handler of "${this.name}" failed` };
    }
  }

  /** Nobody's mistake: the caller may come again. */
  #unavailable(error: unknown, retryMs: number, { log }: RpcContext): Outcome<never> {
    log.warn("an RPC cannot be answered now", { rpc: this.name, error });
    const message = `What "${this.name}" needs is away`;
    return { ok: false, code: "request_failed", message, retryMs };
  }

  /** The handler, within the middleware. */
  #run(input: unknown, context: RpcContext): unknown {
    const { handler } = this.#definition;
    const { middleware } = this.#options;
    if (middleware.length === 0) return handler(input, context);
    const from = (at: number): unknown => {
      const around = middleware[at];
      if (around === undefined) return handler(input, context);
      let isCalled = false;
      return around({ method: this.name, input, context }, async () => {
        if (isCalled) throw new TypeError("Cannot call next: it was called, expected one call");
        isCalled = true;
        return from(at + 1);
      });
    };
    return from(0);
  }

  /** Throws when the handler broke its own output schema. */
  async #output(answer: unknown): Promise<unknown> {
    const schema = this.#definition.output;
    if (schema === undefined) return answer;
    const result = await schema["~standard"].validate(answer);
    if (result.issues === undefined) return result.value;
    throw new TypeError(
      `Cannot answer: ${result.issues[0]?.message ?? "the output does not match its schema"}`,
    );
  }
}

/** By name and code, not by class: a contract file may have its own copy of this package. */
function isRejection(error: unknown): error is Error {
  return (
    error instanceof Error &&
    error.name === "RejectedError" &&
    "code" in error &&
    error.code === "rejected"
  );
}
