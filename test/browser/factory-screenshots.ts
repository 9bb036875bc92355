// Owns: pictures of the factory's page: `bun test/browser/factory-screenshots.ts`.
import { fileURLToPath } from "node:url";
import { freePort } from "../free-port.ts";
import { openWindow, startBrowser, until } from "./harness.ts";
import { by, text } from "./page.ts";

const IMAGES = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const MAIN = fileURLToPath(new URL("../../examples/factory/main.ts", import.meta.url));

const [port, nodesPort] = [await freePort(), await freePort()];
const factory = Bun.spawn(
  [process.execPath, MAIN, "--port", String(port), "--nodes-port", String(nodesPort)],
  { stdin: "ignore", stdout: "ignore", stderr: "inherit" },
);
const browser = await startBrowser();
try {
  const url = `http://127.0.0.1:${port}/`;
  await until("nodes are ready", async () => {
    const answer = await fetch(`${url}nodes`).catch(() => undefined);
    return answer?.status === 200;
  });
  const context = await browser.newContext({ viewport: { width: 1560, height: 1000 } });
  const { page } = await openWindow(context, url);
  await until("windows are shown", async () => /^\d/.test(await text(page, "verdict")), 60_000);
  await by(page, "restart").click();
  const nodes = () => by(page, "nodes").locator("code").allTextContents();
  await until("all are new", async () => (await nodes()).join() === "node-a2,node-b2", 60_000);
  const windows = () => by(page, "table").locator("[data-count=windows]").textContent();
  const before = Number(await windows());
  await until("there are more", async () => Number(await windows()) >= before + 200, 60_000);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${IMAGES}factory-${colorScheme}.png`, fullPage: true });
  }
} finally {
  await browser.close();
  factory.kill("SIGTERM");
  await factory.exited;
}
