// Owns: the gateway's proof as a test, in its short form: real servers and their clients' own
// libraries; a rolling update and a SIGKILL; every frame accounted for.
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GatewayProofResult } from "@holdfast/lab";
import { patience } from "../patience.ts";

const PROGRAM = join(import.meta.dir, "../../lab/prove.ts");
const TIMEOUT_MS = patience(140_000);
/** Those that need nothing but npm. */
const APPS = ["echo", "hocuspocus", "graphql", "handoff"];

async function prove(...args: readonly string[]): Promise<GatewayProofResult> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-prove-"));
  try {
    const json = join(folder, "gateway.json");
    const child = Bun.spawn(
      [process.execPath, PROGRAM, "--gateway", "--quick", "--json", json, ...args],
      { stdout: "pipe", stderr: "pipe" },
    );
    const timer = setTimeout(() => child.kill("SIGTERM"), TIMEOUT_MS);
    const [out, err, status] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    clearTimeout(timer);
    // 1: something failed, such as a pause on a busy machine. What must hold is looked at below.
    if (status > 1) throw new Error(`exit status ${status}\n${out}\n${err}`);
    return JSON.parse(readFileSync(json, "utf8")) as GatewayProofResult;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test(
  "G1, G2: a rolling update and a killed server behind the gateway lose, double and close nothing",
  async () => {
    const { apps } = await prove(
      ...["--fronts", "gateway", "--steps", "rolling,kill-one", "--apps", APPS.join(",")],
    );
    expect(apps.map(({ app }) => app)).toEqual(APPS);
    for (const { app, clients, steps } of apps) {
      expect([app, steps.map(({ name }) => name)]).toEqual([
        app,
        ["steady", "neighbours", "rolling", "kill-one"],
      ]);
      for (const { name, account, kind, documents, taken } of steps) {
        const { sent, answered, told, unanswered, doubled, outOfOrder, closes } = account;
        // Only what the profile declares may be missing: of `echo` what a server owed that is busy,
        // or died; of `graphql` mutations, if a server died.
        const missing =
          app === "echo" ? unanswered : kind === "death" && app === "graphql" ? told : 0;
        expect([app, name, missing <= clients]).toEqual([app, name, true]);
        expect({ app, name, accounted: answered + missing, doubled, outOfOrder, closes }).toEqual({
          ...{ app, name, accounted: sent, doubled: 0, outOfOrder: 0, closes: {} },
        });
        if (kind === "drain")
          expect([app, account.pushesWrong, taken?.again ?? 0]).toEqual([app, 0, 0]);
        expect([app, documents?.different ?? []]).toEqual([app, []]);
      }
      const [, , rolling, kill] = steps;
      // The proof would be blind if nobody had moved.
      // A client with a key may go because its key belongs elsewhere, before its server is drained.
      const { drain = 0, rebalance = 0 } = rolling?.moves ?? {};
      expect([app, drain + rebalance >= clients]).toEqual([app, true]);
      expect(kill?.moves.lost ?? 0).toBeGreaterThan(0);
    }
  },
  TIMEOUT_MS + 5000,
);
