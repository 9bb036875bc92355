// Owns: what differs between two lists of lines, as people read it.

/** Lines on each side at most; longer lists are compared without looking for what moved. */
const ALIGNED_MAX = 2000;
const CONTEXT = 2;
const SHOWN_MAX = 60;

/**
 * Lines with `-` (expected, missing) and `+` (found, not expected), with some around them. Empty:
 * the lists are the same. The longest common subsequence decides what belongs together.
 */
export function diffLines(expected: readonly string[], found: readonly string[]): string[] {
  const marked = mark(expected, found);
  if (marked.every(({ sign }) => sign === " ")) return [];
  const near = marked.map((_line, i) =>
    marked.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some(({ sign }) => sign !== " "),
  );
  const shown: string[] = [];
  let skipped = 0;
  for (const [i, { sign, line }] of marked.entries()) {
    if (near[i] !== true) {
      skipped += 1;
      continue;
    }
    if (skipped > 0) shown.push(`  ... ${skipped} the same`);
    skipped = 0;
    shown.push(`${sign} ${line}`);
  }
  const rest = shown.length - SHOWN_MAX;
  return rest > 0 ? [...shown.slice(0, SHOWN_MAX), `  ... ${rest} more lines`] : shown;
}

interface Marked {
  readonly sign: " " | "-" | "+";
  readonly line: string;
}

function mark(expected: readonly string[], found: readonly string[]): Marked[] {
  let head = 0;
  while (head < expected.length && head < found.length && expected[head] === found[head]) head += 1;
  const same = expected.slice(0, head).map((line): Marked => ({ sign: " ", line }));
  const [left, right] = [expected.slice(head), found.slice(head)];
  if (left.length > ALIGNED_MAX || right.length > ALIGNED_MAX)
    return [
      ...same,
      ...left.map((line): Marked => ({ sign: "-", line })),
      ...right.map((line): Marked => ({ sign: "+", line })),
    ];
  return [...same, ...align(left, right)];
}

function align(left: readonly string[], right: readonly string[]): Marked[] {
  const width = right.length + 1;
  const common = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i--)
    for (let j = right.length - 1; j >= 0; j--)
      common[i * width + j] =
        left[i] === right[j]
          ? (common[(i + 1) * width + j + 1] ?? 0) + 1
          : Math.max(common[(i + 1) * width + j] ?? 0, common[i * width + j + 1] ?? 0);
  const marked: Marked[] = [];
  let [i, j] = [0, 0];
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      marked.push({ sign: " ", line: left[i] ?? "" });
      [i, j] = [i + 1, j + 1];
    } else if (
      i < left.length &&
      (j >= right.length || (common[(i + 1) * width + j] ?? 0) >= (common[i * width + j + 1] ?? 0))
    ) {
      marked.push({ sign: "-", line: left[i] ?? "" });
      i += 1;
    } else {
      marked.push({ sign: "+", line: right[j] ?? "" });
      j += 1;
    }
  }
  return marked;
}
