// Owns: channel patterns: what may stand in one, which names it matches, which patterns hide
// others.

/** Patterns of one contract. */
export const PATTERNS_MAX = 1000;
const PARAM_NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;

export type Params = Readonly<Record<string, string>>;

/**
 * A pattern is text in parts separated by `:`. A part is plain text or holds one parameter,
 * `{name}`, with plain text before and behind it; the parameter takes one or more characters but
 * `:`. The last part may end in `{name*}`, which takes one or more characters of any kind. So every
 * name is matched in one pass: no part can be read in two ways.
 */
export interface Pattern {
  readonly text: string;
  readonly params: readonly string[];
  readonly parts: readonly Part[];
}

interface Part {
  readonly before: string;
  readonly behind: string;
  /** Absent: the part is the plain text `before`. */
  readonly param?: string;
  readonly rest?: boolean;
}

export type ParsedPattern =
  | { readonly ok: true; readonly pattern: Pattern }
  | { readonly ok: false; readonly found: string; readonly expected: string };

const NO_PARAMS: Params = Object.freeze({});

/** Reads a pattern of at most `lengthMax` characters. */
export function parsePattern(text: string, lengthMax: number): ParsedPattern {
  const fault = channelNameFault(text, lengthMax);
  if (fault !== undefined) return { ok: false, ...fault };
  const parts: Part[] = [];
  const params: string[] = [];
  const texts = text.split(":");
  for (const [at, partText] of texts.entries()) {
    const part = parsePart(partText, at === texts.length - 1);
    if ("found" in part) return { ok: false, ...part };
    if (part.param !== undefined && params.includes(part.param)) {
      return { ok: false, found: `{${part.param}} twice`, expected: "each parameter once" };
    }
    if (part.param !== undefined) params.push(part.param);
    parts.push(part);
  }
  return { ok: true, pattern: { text, params, parts } };
}

function parsePart(
  text: string,
  last: boolean,
): Part | { readonly found: string; readonly expected: string } {
  const pieces = text.split(/[{}]/);
  const [before = "", inside, behind = ""] = pieces;
  if (inside === undefined) {
    return text.includes("*")
      ? { found: "a *", expected: "{name*} at the end, or no *" }
      : { before: text, behind: "" };
  }
  if (
    pieces.length !== 3 ||
    text[before.length] !== "{" ||
    text[before.length + inside.length + 1] !== "}"
  ) {
    return { found: `"${text}"`, expected: "at most one {parameter} between colons" };
  }
  const rest = inside.endsWith("*");
  const param = rest ? inside.slice(0, -1) : inside;
  if (!PARAM_NAME.test(param))
    return { found: `{${inside}}`, expected: "a parameter name of letters, digits and _" };
  if (before.includes("*") || behind.includes("*"))
    return { found: "a *", expected: "{name*} at the end, or no *" };
  if (rest && (!last || behind !== ""))
    return { found: `{${inside}} before the end`, expected: "{name*} at the end" };
  return { before, behind, param, ...(rest ? { rest } : {}) };
}

/** The parameters' values when the pattern matches the name. Linear in the name's length. */
export function matchPattern(pattern: Pattern, name: string): Params | undefined {
  if (pattern.params.length === 0) return name === pattern.text ? NO_PARAMS : undefined;
  const params: Record<string, string> = {};
  let from = 0;
  for (const part of pattern.parts) {
    if (from > name.length) return undefined; // the name has fewer parts
    let to = part.rest === true ? name.length : name.indexOf(":", from);
    if (to === -1) to = name.length;
    if (!matchPart(part, name, { from, to }, params)) return undefined;
    from = to + 1;
  }
  return from === name.length + 1 ? params : undefined;
}

function matchPart(
  part: Part,
  name: string,
  span: { readonly from: number; readonly to: number },
  params: Record<string, string>,
): boolean {
  const length = span.to - span.from;
  if (part.param === undefined)
    return length === part.before.length && name.startsWith(part.before, span.from);
  const valueFrom = span.from + part.before.length;
  const valueTo = span.to - part.behind.length;
  if (
    valueTo <= valueFrom ||
    !name.startsWith(part.before, span.from) ||
    !name.startsWith(part.behind, valueTo)
  )
    return false;
  params[part.param] = name.slice(valueFrom, valueTo);
  return true;
}

/**
 * Whether `outer` matches every name that `inner` matches, so that `inner` behind it would never be
 * used.
 */
export function hides(outer: Pattern, inner: Pattern): boolean {
  for (const [at, part] of outer.parts.entries()) {
    const other = inner.parts[at];
    if (other === undefined) return false;
    if (part.rest === true) return restHides(part, other, at === inner.parts.length - 1);
    if (!partHides(part, other)) return false;
  }
  return outer.parts.length === inner.parts.length;
}

function restHides(rest: Part, part: Part, last: boolean): boolean {
  if (!part.before.startsWith(rest.before)) return false;
  // Plain text that is exactly the text before {rest*} leaves it nothing, unless a colon follows.
  return part.param !== undefined || !last || part.before.length > rest.before.length;
}

function partHides(outer: Part, inner: Part): boolean {
  if (outer.param === undefined) return inner.param === undefined && inner.before === outer.before;
  if (inner.rest === true) return false;
  if (inner.param === undefined)
    return matchPart(outer, inner.before, { from: 0, to: inner.before.length }, {});
  return inner.before.startsWith(outer.before) && inner.behind.endsWith(outer.behind);
}

/**
 * What is wrong with a channel's name: empty, longer than `lengthMax` UTF-16 units, a control
 * character, half a surrogate pair. Undefined: nothing. Linear; the answer to a client is
 * `channel_invalid`.
 */
export function channelNameFault(
  name: string,
  lengthMax: number,
): { readonly found: string; readonly expected: string } | undefined {
  if (name.length === 0) return { found: "an empty name", expected: "at least one character" };
  if (name.length > lengthMax)
    return { found: `${name.length} characters`, expected: `at most ${lengthMax}` };
  for (let at = 0; at < name.length; at++) {
    const unit = name.charCodeAt(at);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) {
      return {
        found: `the control character U+${unit.toString(16).padStart(4, "0")}`,
        expected: "printable characters",
      };
    }
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = name.charCodeAt(at + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff))
      return { found: "half a surrogate pair", expected: "whole characters" };
    at++;
  }
  return undefined;
}
