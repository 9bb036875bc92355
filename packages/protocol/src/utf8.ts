// Owns: the size and the well-formedness of text in UTF-8, without an encoder object.

/** Bytes that `text` takes in UTF-8; a lone surrogate counts as U+FFFD, 3 bytes. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) continue;
    if (unit < 0x800) bytes += 1;
    else {
      bytes += 2;
      // A pair takes four bytes and two units: the second unit adds nothing.
      if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) i++;
    }
  }
  return bytes;
}

/**
 * Whether `text` takes at most `bytesMax` bytes in UTF-8. Looks at the characters only when the
 * length alone does not decide.
 */
export const fitsUtf8 = (text: string, bytesMax: number): boolean =>
  text.length * 3 <= bytesMax || (text.length <= bytesMax && utf8Length(text) <= bytesMax);

/** Whether `text` holds half of a surrogate pair, which UTF-8 cannot carry. */
export const hasLoneSurrogate = (text: string): boolean => /[\ud800-\udfff]/u.test(text);

/**
 * Whether bytes `start` to `end` are UTF-8 as RFC 3629 has it: no overlong forms, no surrogates,
 * nothing above U+10FFFF.
 */
export function isUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  let i = start;
  while (i < end) {
    const lead = bytes[i] ?? 0;
    if (lead < 0x80) {
      i++;
      continue;
    }
    const more =
      lead >= 0xc2 && lead < 0xe0
        ? 1
        : lead >= 0xe0 && lead < 0xf0
          ? 2
          : lead >= 0xf0 && lead < 0xf5
            ? 3
            : 0;
    if (more === 0 || i + more >= end) return false;
    const second = bytes[i + 1] ?? 0;
    const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
    const most = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
    if (second < least || second > most) return false;
    for (let k = 2; k <= more; k++) if (((bytes[i + k] ?? 0) & 0xc0) !== 0x80) return false;
    i += more + 1;
  }
  return true;
}

function isLowSurrogate(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}
