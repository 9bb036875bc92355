// Owns: how a session looks and what a newcomer is called: a signal flag and a name. Pure except
// for the storage that it is given.
import { NAME_LENGTH_MAX } from "../names.ts";

/** Patterns of signal flags that stay recognisable at 18 px. */
export const FLAG_PATTERNS = [
  "halves",
  "thirds",
  "bars",
  "diagonal",
  "cross",
  "saltire",
  "quarters",
  "square",
  "disc",
  "pale",
] as const;
export type FlagPattern = (typeof FLAG_PATTERNS)[number];

/** `ink` names a pair of colours in the style sheet: `--flag-<ink>-a`, `--flag-<ink>-b`. */
export interface Flag {
  readonly pattern: FlagPattern;
  readonly ink: number;
}

/** Pairs of flag colours in the style sheet. */
export const FLAG_INKS = 6;

/** The same flag in every window for the same session. */
export function flagOf(session: string): Flag {
  const hash = hashOf(session);
  return {
    pattern: FLAG_PATTERNS[hash % FLAG_PATTERNS.length] ?? "halves",
    ink: Math.floor(hash / 64) % FLAG_INKS,
  };
}

const NAMES = [
  "Gannet",
  "Bowline",
  "Fathom",
  "Kelpie",
  "Halyard",
  "Petrel",
  "Windlass",
  "Capstan",
  "Skerry",
  "Bollard",
  "Marlin",
  "Cleat",
  "Tern",
  "Leeward",
];

const NAME_KEY = "holdfast.name";

/**
 * This window's name, else the one last chosen in this browser, else one from the list, which a
 * reload keeps. `share` in [0, 1) picks it.
 */
export function loadName(
  storage: { readonly local: Storage; readonly session: Storage },
  share: number,
): string {
  const chosen = storage.session.getItem(NAME_KEY) ?? storage.local.getItem(NAME_KEY);
  const name = tidyName(chosen ?? "");
  if (name !== "") return name;
  const given = NAMES[Math.floor(share * NAMES.length)] ?? "Gannet";
  storage.session.setItem(NAME_KEY, given);
  return given;
}

export function saveName(
  storage: { readonly local: Storage; readonly session: Storage },
  name: string,
): void {
  storage.local.setItem(NAME_KEY, name);
  storage.session.setItem(NAME_KEY, name);
}

/** Without outer white space and not too long; empty when nothing is left. */
export function tidyName(name: string): string {
  return name.trim().slice(0, NAME_LENGTH_MAX).trim();
}

function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++)
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return (hash ^ (hash >>> 15)) >>> 0;
}
