import { afterAll, expect, test } from "bun:test";
import { cpuOf, rssOf, usageOf } from "./process-usage.ts";

const stat = (name: string) => `4711 (${name}) S 1 4711 4711 0 -1 4194304 2011 0 0 0 137 42 0 0 20 0 9 0 100 1000 200`;

test("CPU is read behind the program's name, whatever that holds", () => {
  for (const name of ["bun", "two words", "a) S 1 (b"]) expect(cpuOf(stat(name))).toEqual({ userUs: 1_370_000, systemUs: 420_000 });
});

test("resident memory is read in bytes, and is nothing where there is none", () => {
  expect(rssOf("Name:\tbun\nVmHWM:\t    9 kB\nVmRSS:\t   123 kB\n")).toBe(123 * 1024);
  expect(rssOf("Name:\tkworker\n")).toBe(0);
});

/** Uses 300 ms of CPU, says so, and ends by itself a while later. */
const busy = 'while (process.cpuUsage().user + process.cpuUsage().system < 300_000); console.log("done"); setTimeout(() => {}, 3000);';
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
