import { expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience } from "../../test/patience.ts";
import { ValidationGround } from "./test-bed.ts";

setDefaultTimeout(patience(60_000));

const CLIENTS = 40;

/** Waits until so many of it are counted, at most 15 s; then there are so many and no more. */
async function counted(ground: ValidationGround, what: "connected" | "deliveries", count: number) {
  const deadlineMs = performance.now() + patience(15_000);
  while ((await ground.sum(what)) < count && performance.now() < deadlineMs) await Bun.sleep(50);
  expect(await ground.sum(what)).toBe(count);
}

const connected = (ground: ValidationGround) => counted(ground, "connected", CLIENTS);

test("light clients come back when they are dropped, move when their node drains, and get what is published", async () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-validation-"));
  const ground = await ValidationGround.prepare(folder);
  try {
    const settings = { handshakesPerSecond: 500, preDelayMs: 200, windowMs: 3000 };
    const [first, second] = [await ground.startNode(settings), await ground.startNode(settings)];
    await ground.balance([first, second]);
    await ground.startClients({
      each: CLIENTS / ground.drivers,
      perSecond: 100,
      roomSize: CLIENTS,
    });
    await connected(ground);

    await ground.all("mark");
    await ground.all("publish", { count: 2, perSecond: 20, bytes: 10 });
    await counted(ground, "deliveries", CLIENTS * 2 * ground.drivers);

    await ground.all("mark");
    await ground.all("drop");
    await connected(ground);
    expect(await ground.sum("losses")).toBe(CLIENTS);
    expect(await ground.sum("attempts")).toBeGreaterThanOrEqual(CLIENTS);

    await ground.all("mark");
    await ground.balance([second]);
    await ground.drain(first);
    expect(await ground.sum("losses")).toBe(0);
    expect(await ground.sum("moves")).toBeGreaterThan(CLIENTS / 4);
    await connected(ground);
    expect(ground.cpuUs(second)).toBeGreaterThan(0);
    expect(ground.rssBytes(second)).toBeGreaterThan(10e6);
  } finally {
    await ground.close();
    rmSync(folder, { recursive: true, force: true });
  }
});
