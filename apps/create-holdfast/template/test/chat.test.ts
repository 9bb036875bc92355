// Owns: the application's tests: a real node with the contract, real clients, the back end.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Holdfast } from "@holdfast/client";
import { type HoldfastProcess, startHoldfast } from "holdfast/testing";
import { WebSocket } from "ws";
import type contract from "../holdfast.config.ts";
import { createApp } from "../server/app.ts";
import { tokenFor } from "../server/token.ts";

const jwtSecret = "a secret for tests, of 32 characters or more";
const apiKey = "a-key-for-tests-of-32-characters-or-more";
let node: HoldfastProcess;

before(async () => {
  node = await startHoldfast({
    contract: "holdfast.config.ts",
    env: {
      HOLDFAST_AUTH_JWT_HMAC_SECRET: jwtSecret,
      HOLDFAST_API_KEYS: JSON.stringify([{ name: "test", key: apiKey, scopes: ["*"] }]),
    },
  });
});
after(() => node?.stop());

/** Node 20 has no WebSocket of its own. */
const clientOf = (user: string) =>
  new Holdfast<typeof contract>(node.url, {
    WebSocket,
    getToken: () => tokenFor(user, jwtSecret),
  });

test("what one says the other hears, with the name of who said it", async () => {
  const [ada, grace] = [clientOf("ada"), clientOf("grace")];
  const heard = new Promise((resolve) => {
    grace
      .channel("chat:lobby")
      .subscribe(({ user, data }) => resolve([user, data.text]))
      .ready.then(() => ada.channel("chat:lobby").publish({ text: "hello" }));
  });
  assert.deepEqual(await heard, ["ada", "hello"]);
  await Promise.all([ada.close(), grace.close()]);
});

test("the back end's announcements reach the room", async () => {
  const app = createApp({ nodeUrl: node.httpUrl, apiKey, jwtSecret });
  const grace = clientOf("grace");
  const messages = grace.channel("chat:lobby").messages({ last: 10 });
  const request = new Request("http://server/api/announce", { method: "POST", body: "we close" });
  assert.equal((await app(request))?.status, 200);
  for await (const { user, data } of messages)
    if (user === "the house") {
      assert.equal(data.text, "we close");
      break;
    }
  await grace.close();
});

test("nobody without a token gets in", async () => {
  const stranger = new Holdfast<typeof contract>(node.url, { WebSocket });
  await assert.rejects(stranger.channel("chat:lobby").publish({ text: "hi" }), {
    code: "unauthorized",
  });
  await stranger.close();
});
