import { expect, test } from "bun:test";
import { type Json, KubeApiError } from "@holdfast/kube";
import { PlaneError } from "./plane.ts";
import { SecretValue } from "./secrets.ts";

const KEY = "hf-3b1f";
/** `printf %s hf-3b1f | sha256sum` */
const HASH = "sha256:ee248b2cf837064d72d3f3feb41bab2ccc22e3f781ccd4f16b66a7958ef06b6a";

/** What is sent to pods that name `key` of a Secret with these entries; or why nothing is. */
async function sent(entries: Record<string, string>, key = "key"): Promise<string> {
  const data = Object.fromEntries(
    Object.entries(entries).map(([name, value]) => [name, btoa(value)]),
  );
  return await sentOf({ data }, key);
}

async function sentOf(secret: Json, key = "key"): Promise<string> {
  const source = { namespace: "shop", name: "s", key };
  const value = new SecretValue({ get: async () => secret }, source, () => 0);
  return await value.value().catch((error: unknown) => {
    expect(error).toBeInstanceOf(PlaneError);
    expect((error as PlaneError).code).toBe("key");
    return `refused: ${(error as PlaneError).message}`;
  });
}

test("an API key with its hash beside it is sent", async () => {
  expect(await sent({ key: `${KEY}\n`, keyHash: `${HASH}\n` })).toBe(KEY);
  expect(await sent({ key: KEY, anyName: HASH, other: "x" })).toBe(KEY);
});

test.each<[string, Record<string, string>, string]>([
  ["a password", { password: "hunter2" }, "password"],
  ["a token of an account", { token: "eyJhbGciOi", "ca.crt": "-----", namespace: "shop" }, "token"],
  ["a key with another's hash", { key: "other", keyHash: HASH }, "key"],
  ["the hash itself", { key: KEY, keyHash: HASH }, "keyHash"],
])("%s is sent nowhere, and is in no error", async (_, entries, key) => {
  const answer = await sent(entries, key);
  expect(answer).toContain("found no entry with the hash of its value");
  expect(answer).not.toContain(entries[key] ?? "");
});

test("a Secret without the entry has no key", async () => {
  expect(await sent({ keyHash: HASH })).toContain("found nothing");
  expect(await sent({}, "constructor")).toContain("found nothing");
  expect(await sentOf({})).toContain("found nothing");
  expect(await sentOf({ data: { key: "%%" } })).toContain("found nothing");
});

test("a Secret that may not be read has no key", async () => {
  const forbidden = new KubeApiError("no", { status: 403, reason: "Forbidden" });
  const source = { namespace: "shop", name: "s", key: "key" };
  const value = new SecretValue({ get: () => Promise.reject(forbidden) }, source, () => 0);
  expect(await value.value().catch(({ code }: PlaneError) => code)).toBe("key");
});
