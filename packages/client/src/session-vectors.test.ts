// Owns: every session of spec/vectors/sessions.json, replayed against the SDK's engine with the
// node's part played, in every codec.
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { SessionStep, SessionVector } from "@holdfast/protocol/vectors";
import { createManualClock } from "@holdfast/testkit";
import { playNode } from "./testing/vector-replay.ts";

const { sessions } = JSON.parse(
  readFileSync(new URL("../../../spec/vectors/sessions.json", import.meta.url), "utf8"),
) as {
  sessions: readonly SessionVector[];
};
const CODECS = ["json", "msgpack"] as const;

/** Sessions that no application can bring this client to. */
const NOT_PLAYED: Readonly<Record<string, string>> = {
  "a first frame other than connect ends the connection":
    "each of its connections begins with connect",
  "a resume token that is refused is told, and an anonymous client comes back without it":
    "it has no resume token but one that a node gave it",
  "a resume token goes before the token of another user, unless it is refused":
    "an application that changes its user makes a new client, which has no resume token",
};

/**
 * What of a session this client does not do: a connection or a frame. The rest of the session is
 * played.
 */
const UNPLAYED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  "a client connects, subscribes, publishes and gets its own publication": {
    "a report": "it reports what happened, and here nothing did",
  },
  "frames behind connect in one message are carried out after it": {
    "a publish 3":
      "it publishes on a connection that is established; what others publish comes all the same",
  },
  "presence: a snapshot, then joins, updates and leaves": {
    "b update 5": "it refuses an update without an entry itself, with the same code",
  },
  "calls: output, none, cancelled, unknown": {
    "a cancel 99": "it cancels calls of its own only",
  },
  "bad requests are answered one by one and the connection goes on": {
    "a subscribe 2": "its frames have all their members",
    "a subscribe 3": "a channel's name is checked before it is used",
    "a unsubscribe 5": "it unsubscribes from what it has subscribed to only",
    "a subscribe 7":
      "any number of the application's subscriptions to a channel are one on the wire",
    "a publish 9": "a publish without data is refused before it is sent",
  },
  "a second connect ends the connection": {
    "a connect 2": "it connects once; a goodbye for a broken frame ends it all the same",
  },
  "a faulty frame ends the connection behind the frames before it": {
    "a teleport 3":
      "it sends frames of the protocol only; a goodbye for a broken frame ends it all the same",
  },
  "no data, null and bytes are three things": {
    "a publish 11": "data is one value: `d` or `b`",
  },
  "presence: entering again is an update, and who has not entered cannot leave": {
    "a leave 2": "there is nothing to leave, so nothing is sent",
    "a unwatch 3": "it unwatches what it watches only",
    "a enter 6": "it knows that it has entered and says update",
  },
  "last beside a position is ignored": {
    "a subscribe 4": "it sends the one or the other",
  },
  "a third connection of a session replaces the oldest, also while it moves": {
    b: "it moves when it is asked to",
    c: "the same",
  },
  "a session that said bye has left, and nodes take its resume token all the same": {
    b: "it forgets its resume token when it says bye",
  },
  "a newer connection of the session replaces the older": {
    b: "it has a second connection only while it moves: this is another process with the same token",
  },
};

interface How {
  readonly codec: "json" | "msgpack";
  readonly batched: boolean;
}

function play(session: SessionVector, how: How): void {
  playNode(session, {
    ...how,
    clock: createManualClock(),
    unplayed: new Set(Object.keys(UNPLAYED[session.name] ?? {})),
  });
}

for (const codec of CODECS) {
  for (const batched of [true, false]) {
    describe(`the client in ${codec}, a node that sends ${batched ? "what belongs together at once" : "each frame alone"}`, () => {
      for (const session of sessions.filter(
        ({ name, codecs = CODECS }) => codecs.includes(codec) && !(name in NOT_PLAYED),
      ))
        test(session.name, () => play(session, { codec, batched }));
    });
  }
}

test("what is not played is in the sessions, and everything else is played", () => {
  const names = sessions.map(({ name }) => name);
  for (const name of [...Object.keys(NOT_PLAYED), ...Object.keys(UNPLAYED)])
    expect(names).toContain(name);
  for (const { name, steps } of sessions) {
    const parts = steps.flatMap((step) =>
      "send" in step
        ? [step.send, ...step.frames.map(({ t, id }) => [step.send, t, id].join(" ").trim())]
        : [],
    );
    for (const row of Object.keys(UNPLAYED[name] ?? {})) expect(parts).toContain(row);
  }
});

describe("the runner notices", () => {
  const session = (
    part: string,
    alter: (steps: readonly SessionStep[]) => readonly SessionStep[],
  ): SessionVector => {
    const good = sessions.find(({ name }) => name.includes(part));
    if (!good) throw new Error(`no session has "${part}" in its name`);
    const bad = { ...good, steps: alter(good.steps) };
    expect(bad).not.toEqual(good);
    return bad;
  };
  /** The steps with one text in place of another, in their JSON. */
  const replaced = (from: string, to: string) => (steps: readonly SessionStep[]) =>
    JSON.parse(JSON.stringify(steps).replace(from, to)) as readonly SessionStep[];
  const without = (what: "send" | "expect", type: string) => (steps: readonly SessionStep[]) =>
    steps.filter((step) => !(what in step && "frames" in step && step.frames[0]?.t === type));
  const stale = replaced(
    '"resume":"<str:resume-a>"}]},{"expect":"c"',
    '"resume":"stale"}]},{"expect":"c"',
  );

  for (const [what, bad, text] of [
    [
      "another position",
      session("gets what it missed", replaced('"offset":1}}', '"offset":2}}')),
      '"offset":1}',
    ],
    ["another token", session("gets what it missed", stale), '"resume":"stale"'],
    [
      "a message that is not told",
      session("gets what it missed", replaced('"o":2,"ts"', '"o":3,"ts"')),
      "messages and gaps on b: expected",
    ],
    ["a frame too many", session("make before break", without("send", "bye")), "nothing more on a"],
    [
      "a frame that does not come",
      session("make before break", without("expect", "migrate")),
      "expected a connection, found none",
    ],
    [
      "an end that the client does not see",
      session("a second connect", without("expect", "goodbye")),
      "found it open",
    ],
  ] as const)
    test(what, () => expect(() => play(bad, { codec: "json", batched: true })).toThrow(text));
});
