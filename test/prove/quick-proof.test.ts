// Owns: the quick proof as a test: real nodes, a real Redis, real clients; deploys and failures
// under load; every publication accounted for.
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProofResult, StepResult } from "@holdfast/lab";
import { patience } from "../patience.ts";

const PROGRAM = join(import.meta.dir, "../../lab/prove.ts");
const TIMEOUT_MS = patience(140_000);

const step = ({ steps }: ProofResult, name: string): StepResult => {
  const found = steps.find((one) => one.name === name);
  if (found === undefined) throw new Error(`the proof has no step ${name}`);
  return found;
};

test(
  "H1, H2, H3, H6, H7: a rolling restart, a killed node, a restarted Redis and a slow client lose, double and hide nothing",
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "holdfast-prove-"));
    try {
      const [json, html] = [join(folder, "proof.json"), join(folder, "proof.html")];
      const child = Bun.spawn(
        [process.execPath, PROGRAM, "--quick", "--json", json, "--html", html],
        { stdout: "pipe", stderr: "pipe" },
      );
      const timer = setTimeout(() => child.kill("SIGTERM"), TIMEOUT_MS);
      const [out, err, status] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
        child.exited,
      ]);
      clearTimeout(timer);
      if (status !== 0) throw new Error(`exit status ${status}\n${out}\n${err}`);
      const result = JSON.parse(readFileSync(json, "utf8")) as ProofResult;
      expect(result.steps.map(({ name }) => name)).toEqual([
        "steady",
        "rolling-restart",
        "kill",
        "redis-restart",
        "slow-client",
      ]);
      for (const one of result.steps) {
        expect(one.published.acknowledged).toBeGreaterThan(50);
        expect(one.delivered).toBeGreaterThan(one.published.acknowledged);
      }
      const rolling = step(result, "rolling-restart");
      expect(rolling).toMatchObject({ visibleDisconnects: 0, flickers: 0, gaps: 0, reconnects: 0 });
      expect(rolling.moves).toBeGreaterThanOrEqual(result.clients);
      // The proof would be blind if nobody had been cut off.
      expect(step(result, "kill").reconnects).toBeGreaterThan(result.clients / 6);
      expect(existsSync(html)).toBe(true);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
  TIMEOUT_MS + 5000,
);
