// Owns: the telemetry proof as a test, in its short form: devices over MQTT, two nodes and Redis,
// windows in a channel, in Kafka and in PostgreSQL, while each of them fails once.
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TelemetryResult } from "@holdfast/lab";
import { patience } from "../patience.ts";

const PROGRAM = join(import.meta.dir, "../../lab/prove.ts");
const TIMEOUT_MS = patience(180_000);

async function prove(): Promise<{ readonly result: TelemetryResult; readonly output: string }> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-prove-"));
  try {
    const json = join(folder, "telemetry.json");
    const child = Bun.spawn([process.execPath, PROGRAM, "--telemetry", "--short", "--json", json], {
      stdout: "pipe",
      stderr: "pipe",
    });
    const timer = setTimeout(() => child.kill("SIGTERM"), TIMEOUT_MS);
    const [out, err, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    clearTimeout(timer);
    const output = `exit status ${status}\n${out}\n${err}`;
    if (status > 1) throw new Error(output);
    return { result: JSON.parse(readFileSync(json, "utf8")) as TelemetryResult, output };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test(
  "P1 to P4: every event of a device is in one window, late or dead, whatever fails",
  async () => {
    const { result, output } = await prove();
    const { steps, direct, failures, memory } = result;
    const wrongs = [...steps.flatMap((step) => step.failures), ...failures];
    expect([wrongs, direct?.failures], output).toEqual([[], []]);
    expect(steps.map(({ name }) => name)).toEqual([
      ...["steady", "roll", "kill", "redis", "kafka", "postgres", "version", "two-owners"],
    ]);
    for (const { name, acknowledged, inWindows, late, dead, windows, devices } of steps) {
      expect([name, inWindows + late + dead]).toEqual([name, acknowledged]);
      expect([name, acknowledged > 0 && windows > 0]).toEqual([name, true]);
      // The proof would be blind if no device had been touched.
      if (["roll", "kill", "version", "two-owners"].includes(name))
        expect([name, (devices.connects ?? 0) > 0]).toEqual([name, true]);
    }
    // All three fates are there.
    const sum = (of: (step: (typeof steps)[number]) => number): number =>
      steps.reduce((all, step) => all + of(step), 0);
    expect(sum(({ late }) => late)).toBeGreaterThan(0);
    expect(sum(({ dead }) => dead)).toBeGreaterThan(0);
    expect(memory.keys).toBeGreaterThanOrEqual(10_000);
    expect(memory.residentBytes).toBeLessThan(100_000_000);
  },
  TIMEOUT_MS + 5000,
);
