// Owns: a text area that shows a shared text. The caret stays where its reader is.
import type { Text } from "yjs";

export interface Change {
  readonly at: number;
  readonly removed: number;
  readonly inserted: string;
}

/** Both directions. */
export function bindText(area: HTMLTextAreaElement, text: Text): void {
  area.addEventListener("input", () => {
    const { at, removed, inserted } = changeOf(text.toString(), area.value);
    text.doc?.transact(() => {
      text.delete(at, removed);
      text.insert(at, inserted);
    }, area);
  });
  text.observe(({ delta }, { origin }) => {
    if (origin === area) return;
    const [from, to] = [area.selectionStart, area.selectionEnd].map((at) => moved(at, delta));
    area.value = text.toString();
    // Without the focus there is no caret, and setting one may take the focus.
    if (document.activeElement === area) area.setSelectionRange(from ?? 0, to ?? 0);
  });
}

/** What turns one text into the other: one place, as when a person types or pastes. */
export function changeOf(before: string, after: string): Change {
  const most = Math.min(before.length, after.length);
  let at = 0;
  while (at < most && before[at] === after[at]) at++;
  let end = 0;
  while (end < most - at && before.at(-1 - end) === after.at(-1 - end)) end++;
  // A pair of surrogates is one character, and stays whole.
  if (isHigh(before[at - 1]) && at > 0) at--;
  if (isLow(before[before.length - end]) && end > 0) end--;
  return {
    ...{ at, removed: before.length - end - at },
    inserted: after.slice(at, after.length - end),
  };
}

type Delta = readonly {
  readonly retain?: number | undefined;
  readonly insert?: unknown;
  readonly delete?: number | undefined;
}[];

/** Where a place of the text is after a change by somebody else. */
export function moved(place: number, delta: Delta): number {
  let at = 0;
  let to = place;
  for (const { retain = 0, insert, delete: removed = 0 } of delta) {
    const inserted = typeof insert === "string" ? insert.length : 0;
    at += retain;
    if (inserted > 0 && at < to) to += inserted;
    at += inserted;
    if (removed > 0 && at < to) to -= Math.min(removed, to - at);
  }
  return to;
}

const isHigh = (unit = ""): boolean => unit >= "\ud800" && unit <= "\udbff";
const isLow = (unit = ""): boolean => unit >= "\udc00" && unit <= "\udfff";
