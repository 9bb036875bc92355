import { expect, setSystemTime, test } from "bun:test";
import { SocketSeal } from "./socket-seal.ts";

const [ONE, TWO] = ["a".repeat(32), "b".repeat(32)];
const seal = (...keys: string[]) => new SocketSeal(() => keys);

test("what is sealed is opened by whoever has the key, for a while, and only as what it is", () => {
  const text = seal(ONE).seal("state", { a: "private" });
  expect(text).toMatch(/^[\w-]+$/);
  expect(Buffer.from(text, "base64url").includes("private")).toBe(false);
  expect(seal(ONE).open("state", text)).toMatchObject({ a: "private" });
  // A key that is replaced still opens.
  expect(seal(TWO, ONE).open("state", text)).toMatchObject({ a: "private" });
  expect(seal(ONE).open("ticket", text)).toBeUndefined();
  expect(seal(TWO).open("state", text)).toBeUndefined();
  expect(seal().open("state", text)).toBeUndefined();
  expect(seal(ONE).seal("state", { a: "private" })).not.toBe(text);
  try {
    setSystemTime(Date.now() + 121_000);
    expect(seal(ONE).open("state", text)).toBeUndefined();
  } finally {
    setSystemTime();
  }
});

test("nothing that was changed is opened, nor what a client wrote", () => {
  const text = seal(ONE).seal("state", { a: 1 });
  for (let at = 0; at < text.length; at++) {
    const other = text[at] === "A" ? "B" : "A";
    const changed = text.slice(0, at) + other + text.slice(at + 1);
    // The last character may hold bits that mean nothing.
    if (Buffer.from(changed, "base64url").equals(Buffer.from(text, "base64url"))) continue;
    expect(seal(ONE).open("state", changed)).toBeUndefined();
  }
  const forged = seal().seal("state", { a: 1 });
  for (const found of [
    forged,
    "",
    "AAAA",
    text.slice(0, 20),
    `${text}AAAA`,
    "%",
    1,
    undefined,
    null,
  ])
    expect(seal(ONE).open("state", found)).toBeUndefined();
});

test("without a key everybody can read and write it", () => {
  expect([seal().isClosed, seal(ONE).isClosed]).toEqual([false, true]);
  expect(seal().open("state", seal().seal("state", { a: 1 }))).toMatchObject({ a: 1 });
  for (const found of ["", "%", "bnVsbA", 1, undefined, Buffer.from("[1").toString("base64url")])
    expect(seal().open("state", found)).toBeUndefined();
});
