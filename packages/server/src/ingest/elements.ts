// Owns: the elements of a JSON list as the text that they are, without building anything. Pure.

/**
 * Texts of the elements, in order; undefined if `text` is no list. Whether each element is JSON is
 * not looked at, only where it ends. "many": more than `countMax`.
 */
export function elementsOf(text: string, countMax: number): string[] | "many" | undefined {
  let at = skipSpace(text, 0);
  if (text[at] !== "[") return undefined;
  at = skipSpace(text, at + 1);
  const elements: string[] = [];
  if (text[at] === "]") return skipSpace(text, at + 1) === text.length ? elements : undefined;
  for (;;) {
    const end = elementEnd(text, at);
    if (elements.length === countMax) return "many";
    elements.push(text.slice(at, end));
    if (text[end] === ",") at = end + 1;
    else if (text[end] === "]" && skipSpace(text, end + 1) === text.length) return elements;
    else return undefined;
  }
}

/** Where the comma or bracket stands that ends the element. */
function elementEnd(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit === QUOTE) {
      at = stringEnd(text, at);
      continue;
    }
    if (depth === 0 && (unit === COMMA || unit === CLOSE_LIST)) return at;
    if (unit === OPEN_LIST || unit === OPEN_MAP) depth += 1;
    else if (unit === CLOSE_LIST || unit === CLOSE_MAP) depth -= 1;
  }
  return text.length;
}

function stringEnd(text: string, from: number): number {
  let at = from + 1;
  while (at < text.length && text.charCodeAt(at) !== QUOTE)
    at += text.charCodeAt(at) === BACKSLASH ? 2 : 1;
  return at;
}

function skipSpace(text: string, from: number): number {
  let at = from;
  while (at < text.length && " \t\r\n".includes(text[at] as string)) at += 1;
  return at;
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP] = [0x5b, 0x5d, 0x7b, 0x7d];
