// Owns: running a script on the server of its slot. It handles scripts that a server forgot, slots
// that have moved, and refusals.
import { BrokerError, type Clock } from "@holdfast/core";
import { type ScriptName, scriptOf, shaOf } from "./handshake.ts";
import type { RedisLimits } from "./limits.ts";
import type { Link } from "./link.ts";
import { misleads, refusalOf } from "./refusals.ts";
import { type Argument, type Reply, ReplyError } from "./reply.ts";
import { lackingRights } from "./rights.ts";
import type { Router } from "./router.ts";
import type { RedisAddress } from "./socket.ts";
import { STREAM_SCRIPTS } from "./stream-scripts.ts";

export interface ScriptCall {
  readonly script: ScriptName;
  readonly slot: number;
  readonly keys: readonly string[];
  /** The arguments without the term, which is put before those of stream scripts. */
  readonly args: readonly Argument[];
}

/** Most tries of one call. Tries that wait for a slot that is moving do not count. */
const REDIRECTIONS_MAX = 8;
/** Pause between tries while keys of a slot move from one server to another. */
const AGAIN_MS = 50;

export class Scripts {
  readonly #router: Router;
  readonly #clock: Clock;
  readonly #limits: RedisLimits;

  constructor(router: Router, clock: Clock, limits: RedisLimits) {
    this.#router = router;
    this.#clock = clock;
    this.#limits = limits;
  }

  /**
   * Rejects with BrokerError. Calls of one slot made in turn are executed in turn, unless the slot
   * is moving.
   */
  async run(call: ScriptCall): Promise<Reply> {
    const link = this.#router.route(call.slot);
    if (link === undefined) throw new BrokerError("unavailable", "the broker is out of reach");
    const reply = await link.call(commandOf(call, link));
    return reply instanceof ReplyError ? this.#retry(call, link, reply) : reply;
  }

  /** Runs a command that is not a script. Rejects with BrokerError. */
  async command(slot: number, command: readonly Argument[]): Promise<Reply> {
    const link = this.#router.route(slot);
    if (link === undefined) throw new BrokerError("unavailable", "the broker is out of reach");
    let reply = await link.call(command);
    if (reply instanceof ReplyError && reply.code === "MOVED") {
      await this.#router.refresh?.();
      reply = (await this.#router.route(slot)?.call(command)) ?? reply;
    }
    if (reply instanceof ReplyError) throw await refused(reply, link);
    return reply;
  }

  /**
   * Follows redirections. While a slot moves, a channel's keys may be on both servers; keys that do
   * not exist are on neither. Then both servers answer TRYAGAIN or ASK until the slot has arrived.
   * The call is repeated until its time limit.
   */
  async #retry(call: ScriptCall, first: Link, refusal: ReplyError): Promise<Reply> {
    const untilMs = this.#clock.nowMs() + this.#limits.requestMs;
    let link = first;
    let reply: Reply = refusal;
    for (
      let redirections = 0;
      reply instanceof ReplyError &&
      redirections < REDIRECTIONS_MAX &&
      this.#clock.nowMs() < untilMs;
    ) {
      if (reply.code === "NOSCRIPT") {
        redirections += 1;
        reply = await link.call(commandOf(call, link, "EVAL"));
      } else if (reply.code === "MOVED") {
        redirections += 1;
        void this.#router.refresh?.();
        link = await this.#follow(reply, link);
        reply = await link.call(commandOf(call, link));
      } else if (reply.code === "ASK") {
        const other = await this.#follow(reply, link);
        const [, answer] = await Promise.all([
          other.call(["ASKING"]),
          other.call(commandOf(call, other)),
        ]);
        reply = answer;
        // Scripts are loaded with the link, unless they were flushed since.
        if (reply instanceof ReplyError && reply.code === "NOSCRIPT") {
          redirections += 1;
          const [, sent] = await Promise.all([
            other.call(["ASKING"]),
            other.call(commandOf(call, other, "EVAL")),
          ]);
          reply = sent;
        }
      } else if (reply.code === "TRYAGAIN") {
        await new Promise<void>((resolve) => this.#clock.after(AGAIN_MS, resolve));
        reply = await link.call(commandOf(call, link));
      } else throw await refused(reply, link);
    }
    if (reply instanceof ReplyError) throw await refused(reply, link);
    return reply;
  }

  async #follow(reply: ReplyError, from: Link): Promise<Link> {
    const address = addressOf(reply);
    const link = address === undefined ? undefined : await this.#router.linkTo?.(address);
    if (link === undefined) throw await refused(reply, from);
    return link;
  }
}

function commandOf(
  { script, keys, args }: ScriptCall,
  link: Link,
  how: "EVALSHA" | "EVAL" = "EVALSHA",
): readonly Argument[] {
  const text = how === "EVALSHA" ? shaOf(script) : scriptOf(script);
  if (!Object.hasOwn(STREAM_SCRIPTS, script)) return [how, text, keys.length, ...keys, ...args];
  return [how, text, keys.length, ...keys, link.facts?.term ?? "", ...args];
}

/** `MOVED 1234 host:port`; the host may hold colons. */
function addressOf({ message }: ReplyError): RedisAddress | undefined {
  const at = message.split(" ")[2] ?? "";
  const colon = at.lastIndexOf(":");
  return colon <= 0 ? undefined : { host: at.slice(0, colon), port: Number(at.slice(colon + 1)) };
}

/** If a server has changed its role or its data, the link to it is made again. */
async function refused(reply: ReplyError, link: Link): Promise<BrokerError> {
  if (misleads(reply)) link.reset(`the server answered ${reply.code}`);
  if (reply.code !== "ERR") return refusalOf(reply);
  // The script called a command that the account may not run.
  const lacks = await link.missingRights().catch(() => []);
  if (lacks.length === 0) return refusalOf(reply);
  return new BrokerError("refused", lackingRights(lacks), { cause: reply, lacks });
}
