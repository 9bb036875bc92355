// Owns: the nodes as dev tells of them: who is there, and a line for each change.
import type { Line } from "./roll.ts";

export interface FleetNode {
  readonly node: string;
  readonly state: string;
}

const ASK_MS = 500;
const ANSWER_MS = 3_000;
const WORDS: Readonly<Record<string, string>> = {
  starting: "starts",
  ready: "is ready",
  draining: "drains: its clients and partitions move",
  stopped: "has stopped",
};

/** Asks for the nodes until the page ends. */
export function watchNodes(list: HTMLElement, told: (line: Line) => void): void {
  let before: readonly FleetNode[] | undefined;
  const ask = async (): Promise<void> => {
    const now = document.hidden ? undefined : await nodes();
    if (now !== undefined) {
      if (before !== undefined) for (const line of changes(before, now)) told(line);
      if (JSON.stringify(now) !== JSON.stringify(before)) list.replaceChildren(...now.map(chip));
      before = now;
    }
    setTimeout(() => void ask(), ASK_MS);
  };
  void ask();
}

async function nodes(): Promise<readonly FleetNode[] | undefined> {
  try {
    const answer = await fetch("/nodes", { signal: AbortSignal.timeout(ANSWER_MS) });
    if (answer.status !== 200) return undefined;
    const found = (await answer.json()) as readonly FleetNode[];
    return found.map(({ node, state }) => ({ node, state }));
  } catch {
    return undefined;
  }
}

function changes(before: readonly FleetNode[], now: readonly FleetNode[]): readonly Line[] {
  const stateOf = (all: readonly FleetNode[], name: string) =>
    all.find(({ node }) => node === name)?.state;
  const atMs = Date.now();
  const came = now
    .filter(({ node, state }) => stateOf(before, node) !== state)
    .map(({ node, state }) => ({ atMs, name: node, words: WORDS[state] ?? state }));
  const gone = before
    .filter(({ node }) => stateOf(now, node) === undefined)
    .map(({ node }) => ({ atMs, name: node, words: "is gone" }));
  return [...gone, ...came];
}

function chip({ node, state }: FleetNode): HTMLLIElement {
  const item = document.createElement("li");
  item.dataset.state = state;
  const name = document.createElement("code");
  name.textContent = node;
  item.append(name, ` ${state}`);
  return item;
}
