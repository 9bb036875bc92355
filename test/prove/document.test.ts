// Checks that docs/proof.md says what the kept results say.
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ProofResult, proofDocument, type TelemetryResult } from "@holdfast/lab";

const DOCS = join(import.meta.dir, "../../docs");
const read = (name: string): ProofResult =>
  JSON.parse(readFileSync(join(DOCS, "proof", `${name}.json`), "utf8")) as ProofResult;

test("docs/proof.md is made from the results beside it: npm run prove -- --docs", () => {
  const kept = <T>(name: string): T | undefined =>
    existsSync(join(DOCS, `proof/${name}.json`)) ? (read(name) as T) : undefined;
  expect(readFileSync(join(DOCS, "proof.md"), "utf8")).toBe(
    proofDocument(read("full"), {
      sideBySide: kept("side-by-side"),
      cluster: kept("cluster"),
      gateway: kept("gateway"),
      telemetry: kept("telemetry"),
    }),
  );
});

test("the kept full proof has every step and holds", () => {
  const { steps, clients, quick } = read("full");
  expect([clients, quick, steps.length]).toEqual([1000, false, 12]);
  expect(steps.flatMap(({ failures }) => failures)).toEqual([]);
});

test("the kept telemetry proof has every step, at its full size, and holds", () => {
  const kept = JSON.parse(readFileSync(join(DOCS, "proof/telemetry.json"), "utf8"));
  const { steps, devices, eventsPerSecond, short, direct, failures } = kept as TelemetryResult;
  expect([devices, eventsPerSecond, short, steps.length]).toEqual([500, 5000, false, 8]);
  expect([...steps.flatMap((step) => step.failures), ...failures]).toEqual([]);
  expect(direct?.failures).toEqual([]);
});
