// Owns: every session of spec/vectors/sessions.json, replayed against real nodes over real sockets
// in every codec.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { SessionStep, SessionVector } from "@holdfast/protocol/vectors";
import { sharedBroker, startNode, type TestNode } from "./start-node.ts";
import { replaySession, VECTOR_CONTRACT, VECTOR_ENV } from "./vector-replay.ts";

const { sessions } = JSON.parse(
  readFileSync(new URL("../../spec/vectors/sessions.json", import.meta.url), "utf8"),
) as {
  sessions: readonly SessionVector[];
};
const CODECS = ["json", "msgpack"] as const;
/**
 * Behind the last step a node has this long to say what nobody expects; presence waits for 20 ms
 * before it is told.
 */
const QUIET_MS = 60;

/** Replays on fresh nodes with a fresh broker. */
async function replay(
  session: SessionVector,
  codec: "json" | "msgpack",
  patienceMs = 5_000,
): Promise<void> {
  const broker = sharedBroker();
  const nodes: TestNode[] = [];
  try {
    for (let number = 0; number < (session.nodes ?? 1); number++)
      nodes.push(
        await startNode({
          broker,
          contract: VECTOR_CONTRACT,
          env: VECTOR_ENV,
          clockAheadMs: session.clocksAheadMs?.[number] ?? 0,
        }),
      );
    await replaySession(session, { codec, nodes, patienceMs, quietMs: QUIET_MS });
  } finally {
    for (const { node } of nodes) await node.stop();
  }
  expect(nodes.flatMap(({ bugs }) => bugs)).toEqual([]);
}

for (const codec of CODECS) {
  describe(`a node in ${codec}`, () => {
    for (const session of sessions.filter(({ codecs = CODECS }) => codecs.includes(codec)))
      test(session.name, () => replay(session, codec), 20_000);
  });
}

/**
 * A good session, and what a wrong expectation in it leads to: a runner that cannot fail proves
 * nothing.
 */
describe("the runner notices", () => {
  const session = (part: string): SessionVector => {
    const found = sessions.find(({ name }) => name.includes(part));
    if (!found) throw new Error(`no session has "${part}" in its name`);
    return found;
  };
  const altered = (
    part: string,
    alter: (steps: readonly SessionStep[]) => readonly SessionStep[],
  ): SessionVector => {
    const good = session(part);
    const bad = { ...good, steps: alter(good.steps) };
    expect(bad).not.toEqual(good);
    return bad;
  };
  /** The steps with one text in place of another, in their JSON. */
  const replaced = (from: string, to: string) => (steps: readonly SessionStep[]) =>
    JSON.parse(JSON.stringify(steps).replace(from, to)) as readonly SessionStep[];

  for (const [what, bad, text] of [
    [
      "another value",
      altered("resumes and gets what it missed", replaced('"head":3', '"head":4')),
      ".head: expected 4, found 3",
    ],
    [
      "another order",
      altered("last begins with", replaced('"o":2,"ts":"<int>"', '"o":3,"ts":"<int>"')),
      ".o: expected 3, found 2",
    ],
    [
      "a member too many",
      altered("the same idempotency", replaced('"dup":true', '"dup":"<absent>"')),
      ".dup: expected",
    ],
    [
      "another value of a name",
      altered(
        "resumes and gets what it missed",
        replaced('"<str:session-b>"', '"<str:session-a>"'),
      ),
      ".session: expected",
    ],
    [
      "a frame that does not come",
      altered("history pages", (steps) => [...steps, { expect: "a", frames: [{ t: "pong" }] }]),
      "silent for",
    ],
    [
      "a frame too many",
      altered("last begins with", (steps) => steps.slice(0, -1)),
      "expected nothing more on a",
    ],
    [
      "another close code",
      altered("a second connect", replaced('"code":4503', '"code":4502')),
      "expected close code 4502, found 4503",
    ],
    [
      "an end that was not asked for",
      altered("a second connect", (steps) => steps.slice(0, -1)),
      "found a closed with 4503",
    ],
    [
      "an end that does not come",
      altered("history pages", (steps) => [...steps, { closed: "a", code: 1000 }]),
      "found it open",
    ],
  ] as const)
    test(what, () => expect(replay(bad, "json", 300)).rejects.toThrow(text));
});
