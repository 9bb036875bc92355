// Owns: the names of a fleet's nodes and revisions, which tell places apart.
import type { Place } from "./plan.ts";

/** Nodes of a local fleet at most: one letter for each place. */
export const FLEET_NODES_MAX = 8;
const LETTERS = "abcdefgh";
/** Names have 64 characters at most; this is for what is appended. */
const BASE_LENGTH_MAX = 52;

/** As in `node-b3`: the third node in the second place. */
export function nodeName(base: string, { slot, life }: Place): string {
  return `${base.slice(0, BASE_LENGTH_MAX)}-${LETTERS[slot] ?? slot}${life}`;
}

/** As in `dev-2`: what the second roll started. */
export function revisionName(base: string, { revision }: Place): string {
  return `${base.slice(0, BASE_LENGTH_MAX)}-${revision}`;
}

/** The place in a node's name, from 0; undefined when the name is not of this kind. */
export function slotOf(node: string): number | undefined {
  const letter = /-([a-h])\d+$/.exec(node)?.[1];
  return letter === undefined ? undefined : LETTERS.indexOf(letter);
}
