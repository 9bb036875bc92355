// Checks that the listener's timer for silent connections cuts no operation and no stream.
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { createHttpApi, OPERATION_PATHS } from "../http/index.ts";
import { API_BASE } from "../http/routes/index.ts";
import { channelOf, linesOf, urlOf, withKey } from "../http/stream/testing.ts";
import { keyOf } from "../http/testing.ts";
import { createMetrics } from "../metrics/index.ts";
import { BunGroups, listenSockets } from "./bun-sockets.ts";

setDefaultTimeout(patience(20_000));

/** Bun looks at its timers every 4 s: 1 s of silence is cut after at most 5. */
const IDLE_SECONDS = 1;
const SILENT_MS = 6_000;

function listen(slowBehind: number) {
  const { control } = channelOf({
    head: 4,
    instead: async (after) => void (after === slowBehind && (await Bun.sleep(SILENT_MS))),
  });
  const answer = createHttpApi({
    control,
    keys: [{ name: "all", key: keyOf("all"), scopes: ["*"] }],
  });
  return listenSockets(
    {
      host: "127.0.0.1",
      port: 0,
      reusePort: false,
      basePath: "/",
      origins: { allowedOrigins: [], anonymous: false },
      forwarded: { trusted: [], header: "x-forwarded" },
      messageBytesMax: 1024,
      queueBytesMax: 1024,
      socketsMax: 8,
      door: { admit: () => undefined } as never,
      recorder: createMetrics({ node: "n", revision: "r", version: "v" }).recorder,
      onRefused: () => {},
      onUnread: () => {},
      api: { base: API_BASE, paths: OPERATION_PATHS, answer },
      events: { answer: async () => new Response(), end: () => {} },
      page: () => new Response("no", { status: 404 }),
      onError: (where, error) => {
        throw new Error(where, { cause: error });
      },
      httpIdleSeconds: IDLE_SECONDS,
    },
    new BunGroups(),
  );
}

test.concurrent("a read that takes longer than the listener's timer is answered", async () => {
  const sockets = listen(0);
  const url = `http://127.0.0.1:${sockets.port}${API_BASE}/history?channel=c`;
  const response = await fetch(url, { headers: withKey() });
  expect([response.status, (await response.json()).head]).toEqual([200, 4]);
  sockets.end();
});

test.concurrent("a stream that is silent for longer goes on", async () => {
  const sockets = listen(2);
  const response = await fetch(urlOf(sockets.port, "channel=c"), { headers: withKey() });
  expect(linesOf(await response.text()).map(({ event }) => event)).toEqual([
    ...Array<string>(4).fill("publication"),
    "end",
  ]);
  sockets.end();
});
