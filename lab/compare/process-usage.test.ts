import { afterAll, expect, test } from "bun:test";
import { usageOf } from "./process-usage.ts";

/** Uses 300 ms of CPU, says so, and ends by itself a while later. */
const busy =
  'while (process.cpuUsage().user + process.cpuUsage().system < 300_000); console.log("done"); setTimeout(() => {}, 3000);';
const spawn = `Bun.spawn([process.execPath, "-e", ${JSON.stringify(busy)}], { stdout: "inherit" });`;
const parent = Bun.spawn([process.execPath, "-e", spawn], { stdout: "pipe" });
afterAll(() => parent.kill("SIGKILL"));

test("what a process started counts as its own", async () => {
  const reader = parent.stdout.getReader();
  await reader.read();
  const { userUs, systemUs, rssBytes } = usageOf([parent.pid]);
  // The child alone burns 300 ms; its parent does nothing but start.
  expect(userUs + systemUs).toBeGreaterThanOrEqual(250_000);
  expect(rssBytes).toBeGreaterThan(20 * 2 ** 20);
});

test("a process that is gone counts as nothing", () => {
  expect(usageOf([2 ** 22 + 1])).toEqual({ userUs: 0, systemUs: 0, rssBytes: 0 });
});
