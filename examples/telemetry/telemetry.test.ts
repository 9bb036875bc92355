// Owns: a check that the telemetry example works as its README says: a device, a node, a dashboard.
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { patience } from "../../test/patience.ts";
import { exampleNode, linesOf } from "../example-node.ts";
import contract from "./holdfast.config.ts";

setDefaultTimeout(patience(15_000));

const start = (program: string, url: string) =>
  Bun.spawn([process.execPath, join(import.meta.dir, program), url], {
    stdout: "pipe",
    stderr: "inherit",
  });

test("a dashboard that comes late shows the newest reading of every sensor, also when the device is gone", async () => {
  await using node = await exampleNode(contract);
  const device = start("device.ts", node.url);
  const early = start("dashboard.ts", node.url);
  const earlyShows = linesOf(early.stdout);
  let newest = await earlyShows.next();
  for (let line = 1; line < 6; line++) newest = await earlyShows.next();
  expect(newest).toMatch(/temperature \d+\.\d\d °C/);
  device.kill();
  await device.exited;

  const late = start("dashboard.ts", node.url);
  const lateShows = linesOf(late.stdout);
  await lateShows.next();
  expect(await lateShows.next()).toMatch(
    /^(temperature [\d.]+ °C {3}pressure [\d.]+ bar|pressure [\d.]+ bar {3}temperature [\d.]+ °C)$/,
  );
  for (const program of [early, late]) program.kill();
  await Promise.all([early.exited, late.exited]);
});
