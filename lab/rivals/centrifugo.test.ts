import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { centrifugoCommand, centrifugoUrl, centrifugoVersion } from "./centrifugo.ts";

test("Centrifugo listens on loopback only, keeps history, recovers, and lets clients without a token subscribe and publish", () => {
  const { command, env } = centrifugoCommand({ path: "/opt/centrifugo", port: 8123 });
  expect(command).toEqual(["/opt/centrifugo"]);
  expect(env).toMatchObject({
    CENTRIFUGO_HTTP_SERVER_ADDRESS: "127.0.0.1",
    CENTRIFUGO_HTTP_SERVER_PORT: "8123",
    CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_HISTORY_SIZE: "1000",
    CENTRIFUGO_CHANNEL_WITHOUT_NAMESPACE_FORCE_RECOVERY: "true",
  });
  const allowed = Object.entries(env).filter(([name]) =>
    /_ALLOW_(SUBSCRIBE|PUBLISH)_FOR_(CLIENT|ANONYMOUS)$/.test(name),
  );
  expect(allowed.map(([, value]) => value)).toEqual(["true", "true", "true", "true"]);
  expect(centrifugoUrl(8123)).toBe("ws://127.0.0.1:8123/connection/websocket");
});

const folder = mkdtempSync(join(tmpdir(), "centrifugo-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("the version is read out of a program that Go built, and is unknown in any other", async () => {
  const [built, other] = [join(folder, "built"), join(folder, "other")];
  const lines = [
    "path\tgithub.com/centrifugal/centrifugo/v6",
    "mod\tgithub.com/centrifugal/centrifugo/v6\tv6.9.1\th1:abc=",
    "dep\tother",
  ];
  writeFileSync(built, `\0\xff${lines.join("\n")}\n\0`, "latin1");
  writeFileSync(other, "#!/bin/sh\n");
  expect([await centrifugoVersion(built), await centrifugoVersion(other)]).toEqual([
    "v6.9.1",
    "of unknown version",
  ]);
});
