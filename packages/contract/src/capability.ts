// Owns: whether a token's capabilities allow an action in a channel.
import { CHANNEL_LENGTH_CEILING } from "@holdfast/protocol";
import { matchPattern, type Pattern, parsePattern } from "./pattern.ts";
import { Recent } from "./recent.ts";
import type { Capability, ChannelAction } from "./terms.ts";

const PARSED_MAX = 512;

/**
 * Matches the channels of capabilities: an exact name; a pattern with parameters, as in contracts
 * (`chat:{room}`); or text and a `*` at its end, which stands for one or more characters of any
 * kind (`chat:*`; `*` alone is every channel). Anything else, such as a `*` elsewhere, allows
 * nothing. Remembers a bounded number of parsed patterns.
 */
export class Capabilities {
  readonly #parsed = new Recent<{ readonly pattern: Pattern | undefined }>(PARSED_MAX);

  allow(caps: readonly Capability[], action: ChannelAction, channel: string): boolean {
    for (const cap of caps)
      if (cap.actions.includes(action) && this.#matches(cap.channel, channel)) return true;
    return false;
  }

  /** Parsed patterns held now. */
  get remembered(): number {
    return this.#parsed.size;
  }

  #matches(text: string, channel: string): boolean {
    if (text.includes("{")) {
      const pattern = this.#pattern(text);
      return pattern !== undefined && matchPattern(pattern, channel) !== undefined;
    }
    const star = text.indexOf("*");
    if (star === -1) return text === channel;
    return (
      star === text.length - 1 && channel.length > star && channel.startsWith(text.slice(0, star))
    );
  }

  #pattern(text: string): Pattern | undefined {
    const known = this.#parsed.get(text);
    if (known !== undefined) return known.pattern;
    const parsed = parsePattern(text, CHANNEL_LENGTH_CEILING);
    const pattern = parsed.ok ? parsed.pattern : undefined;
    this.#parsed.set(text, { pattern });
    return pattern;
  }
}
