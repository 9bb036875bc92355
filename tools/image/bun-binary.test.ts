// Checks that only the locked Bun gets into an executable.
import { expect, test } from "bun:test";
import { nativeArch, parseArch } from "./arch.ts";
import { bunBinary, checkIntegrity, run } from "./bun-binary.ts";

test("an archive with another hash than the locked one is refused, with both", () => {
  const archive = new TextEncoder().encode("abc");
  const integrity =
    "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
  expect(() => checkIntegrity(archive, { integrity, name: "bun@1" })).not.toThrow();
  expect(() => checkIntegrity(archive.slice(1), { integrity, name: "bun@1" })).toThrow(integrity);
});

test("for this processor it is the Bun that runs, where that can be", async () => {
  if (process.platform === "linux") expect(await bunBinary(nativeArch())).toBe(process.execPath);
});

test("processors have the names that containers use; none is this machine's", () => {
  expect([parseArch("amd64"), parseArch("arm64"), parseArch("")]).toEqual([
    "amd64",
    "arm64",
    nativeArch(),
  ]);
  expect(() => parseArch("riscv64")).toThrow("expected amd64 or arm64");
});

test("a program that fails is told with what it wrote", async () => {
  await expect(run(["sh", "-c", "echo no room >&2; exit 3"], "/")).rejects.toThrow(
    /exit status 3.*\n.*no room/,
  );
});
