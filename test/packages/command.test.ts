import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { until } from "../browser/harness.ts";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { startProgram } from "./program.ts";
import { makeProject, type Project } from "./project.ts";

const CONTRACT = `
  import { defineContract, RejectedError } from "@holdfast/contract";
  import { z } from "zod";
  export default defineContract({
    channels: { "room:{id}": { payload: z.object({ text: z.string() }) } },
    rpc: { no: { allow: "anyone", handler: () => { throw new RejectedError("not today"); } } },
  });`;

// Without scripts the package bun holds a placeholder: the binary of the platform's has to do.
describe.each([
  ["with install scripts", true],
  ["without install scripts", false],
])("in an empty project, installed %s,", (_name, scripts) => {
  let project: Project;
  beforeAll(async () => {
    project = await makeProject({ ours: ["holdfast"], scripts });
  }, patience(180_000));
  afterAll(() => project?.[Symbol.asyncDispose](), patience(120_000));

  test(
    "npx holdfast dev serves the demo's page, and ends with its launcher",
    async () => {
      await using dev = await startDev(project);
      const page = await (await fetch(dev.said)).text();
      const assets = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(
        ([, path]) => path,
      );
      expect(assets.length).toBeGreaterThan(2);
      for (const path of assets) {
        const answer = await fetch(new URL(path ?? "", dev.said));
        expect([path, answer.status]).toEqual([path, 200]);
        expect((await answer.bytes()).length).toBeGreaterThan(200);
      }
      expect(await dev.end()).toBe(0);
      await expect(fetch(dev.said)).rejects.toThrow();
    },
    patience(60_000),
  );

  test(
    "a launcher that is killed takes the program with it",
    async () => {
      await using dev = await startDev(project);
      expect((await fetch(dev.said)).status).toBe(200);
      await dev.end("SIGKILL");
      await until("the program has gone", () => isFree(dev.said));
    },
    patience(60_000),
  );

  test(
    "a node that a test started ends with the test's process, also if that is killed",
    async () => {
      const script = `
        import { startHoldfast } from "holdfast/testing";
        const node = await startHoldfast();
        console.log("listens " + node.httpUrl);
        setInterval(() => {}, 1000);`;
      await project.write({ "own.test.mjs": script });
      await using run = await startProgram(project, ["node", "own.test.mjs"], {
        ready: /listens (http:\/\/127\.0\.0\.1:\d+)/,
      });
      expect(await isFree(run.said)).toBe(false);
      await run.end("SIGKILL");
      await until("the node has gone", () => isFree(run.said));
    },
    patience(60_000),
  );

  test(
    "a contract file imports what is not installed beside it",
    async () => {
      await project.write({ "apart/holdfast.config.ts": CONTRACT });
      await using dev = await startDev(project, ["--contract", "apart/holdfast.config.ts"]);
      expect(await (await fetch(dev.said)).text()).toContain("room:{id}");
    },
    patience(60_000),
  );

  test(
    "statuses and texts of the command reach the shell",
    async () => {
      const run = (...args: string[]) =>
        project.run(["npx", "holdfast", ...args], { mayFail: true });
      expect((await run("--version")).out.trim()).toMatch(/^\d+\.\d+\.\d+/);
      const refused = await run("serve", "--port", "0");
      expect({ code: refused.code, says: refused.err.includes("Refusing to start") }).toEqual({
        code: 2,
        says: true,
      });
      expect((await run("keygen")).out).toContain("sha256:");
    },
    patience(60_000),
  );
});

test(
  "a Bun that is missing is told, with what to do",
  async () => {
    await using project = await makeProject({ ours: ["holdfast"], scripts: false });
    for (const name of readdirSync(project.installed("@oven")))
      await Bun.file(`${project.installed("@oven")}/${name}/bin/bun`).delete();
    const { code, err } = await project.run(["npx", "holdfast", "--version"], { mayFail: true });
    expect(code).toBe(127);
    expect(err).toMatch(/^Cannot start Holdfast: found no Bun for \w+ \w+ in .+, expected .+/);
  },
  patience(120_000),
);

/** `npx holdfast dev` on a free port. SIGTERM goes to the launcher alone. */
async function startDev(project: Project, args: readonly string[] = []) {
  const launcher = project.installed("holdfast/holdfast.mjs");
  const port = String(await freePort());
  return startProgram(project, ["node", launcher, "dev", "--port", port, ...args], {
    ready: /(http:\/\/localhost:\d+\/)/,
  });
}

/** Whether nothing listens there. */
const isFree = (url: string): Promise<boolean> =>
  fetch(url).then(
    () => false,
    () => true,
  );
