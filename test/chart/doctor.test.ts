// Checks that what the chart renders from its examples is clean for the doctor, which knows what
// cuts WebSockets on Kubernetes.
import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { BASE, CASES, merged } from "./cases.ts";
import { type Source, template } from "./helm.ts";

const MAIN = fileURLToPath(new URL("../../apps/holdfast/src/main.ts", import.meta.url));

async function doctor(source: Source): Promise<{ readonly code: number; readonly output: string }> {
  const { stdout } = await template(source);
  const child = Bun.spawn([process.execPath, MAIN, "doctor", "-"], {
    stdin: new Blob([stdout]),
    stdout: "pipe",
    stderr: "pipe",
  });
  return { output: await new Response(child.stdout).text(), code: await child.exited };
}

test.each(CASES.filter(({ name }) => name.startsWith("example-")))(
  "$name has no errors",
  async ({ source }) => {
    const { code, output } = await doctor(source);
    expect([code, output]).toEqual([0, expect.stringContaining(" 0 errors")]);
  },
);

test("and the doctor was asked about this chart: it finds what is pinned too low", async () => {
  const values = merged(BASE, {
    expose: { mode: "gateway", gateway: { create: { enabled: true, className: "envoy" } } },
    mesh: { envoyGateway: { enabled: true, connectionsMax: 1024 } },
  });
  const { code, output } = await doctor({ values });
  expect([code, output]).toEqual([1, expect.stringContaining("connection-limit")]);
});
