// Owns: the names of the members that a client's frames have. Others are passed over unread.

/** At most 31: a set of them fits into an integer, one bit for each place. */
export const KNOWN_MEMBERS = (
  "t id ch d b k idem m token resume moving migrates client pos last limit before timeoutMs " +
  "counts moved epoch offset reconnects migrations duplicates gaps lost undeclared resumeMsMax"
).split(" ");

interface Known {
  readonly name: string;
  readonly place: number;
}

/** Names by their length. */
const BY_LENGTH: readonly (readonly Known[])[] = Array.from({ length: 12 }, (_, length) =>
  KNOWN_MEMBERS.map((name, place) => ({ name, place })).filter(
    ({ name }) => name.length === length,
  ),
);
const NO_NAMES: readonly Known[] = [];

/** The place in KNOWN_MEMBERS of the name that is `text` from `start` to `end`; -1 for another. */
export function knownInText(text: string, start: number, end: number): number {
  const size = end - start;
  const names = size < 12 ? (BY_LENGTH[size] ?? NO_NAMES) : NO_NAMES;
  for (let n = 0; n < names.length; n++) {
    const { name, place } = names[n] as Known;
    let i = 0;
    while (i < size && text.charCodeAt(start + i) === name.charCodeAt(i)) i++;
    if (i === size) return place;
  }
  return -1;
}

/** The same for the name whose letters are the bytes from `start` to `end`. */
export function knownInBytes(bytes: Uint8Array, start: number, end: number): number {
  const size = end - start;
  const names = size < 12 ? (BY_LENGTH[size] ?? NO_NAMES) : NO_NAMES;
  for (let n = 0; n < names.length; n++) {
    const { name, place } = names[n] as Known;
    let i = 0;
    while (i < size && bytes[start + i] === name.charCodeAt(i)) i++;
    if (i === size) return place;
  }
  return -1;
}
