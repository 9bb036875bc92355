// Owns: every session of spec/vectors/sessions.json, replayed against real nodes over real Redis.
import { afterAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { SessionVector } from "@holdfast/protocol/vectors";
import { startNode, type TestNode } from "../integration/start-node.ts";
import { replaySession, VECTOR_CONTRACT, VECTOR_ENV } from "../integration/vector-replay.ts";
import { freshPrefix } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

const { sessions } = JSON.parse(
  readFileSync(new URL("../../spec/vectors/sessions.json", import.meta.url), "utf8"),
) as { sessions: readonly SessionVector[] };
const CODECS = ["json", "msgpack"] as const;
/** Behind the last step a node has this long to say what nobody expects. */
const QUIET_MS = 60;

const server = await startServer();
afterAll(() => stopServers([server]));

async function replay(session: SessionVector, codec: "json" | "msgpack"): Promise<void> {
  const env = {
    HOLDFAST_BROKER_URL: `${server.url}?prefix=${freshPrefix()}`,
    ...VECTOR_ENV,
  };
  const nodes: TestNode[] = [];
  try {
    for (let number = 0; number < (session.nodes ?? 1); number++) {
      const clockAheadMs = session.clocksAheadMs?.[number] ?? 0;
      nodes.push(await startNode({ contract: VECTOR_CONTRACT, env, clockAheadMs }));
    }
    await replaySession(session, { codec, nodes, patienceMs: 5_000, quietMs: QUIET_MS });
  } finally {
    for (const { node } of nodes) await node.stop();
  }
  expect(nodes.flatMap(({ bugs }) => bugs)).toEqual([]);
}

for (const codec of CODECS) {
  describe(`a node over Redis in ${codec}`, () => {
    for (const session of sessions.filter(({ codecs = CODECS }) => codecs.includes(codec)))
      test(session.name, () => replay(session, codec), 20_000);
  });
}
