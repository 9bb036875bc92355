// Owns: the guide's pictures of the page of pipelines: `bun test/browser/pipelines-screenshots.ts`.
import { fileURLToPath } from "node:url";
import { Holdfast } from "@holdfast/client";
import { openWindow, startBrowser, startDev, until } from "./harness.ts";

const IMAGES = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const CONTRACT = fileURLToPath(new URL("./fixtures/pipelines.config.ts", import.meta.url));

const args = ["--contract", CONTRACT, "--nodes", "2"];
const [dev, browser] = await Promise.all([startDev(args), startBrowser()]);
const client = new Holdfast(dev.connectUrl);
let isRunning = true;
/** Three machines on each line, ten readings a second; few are late or broken. */
const machines = (async () => {
  for (let at = 0; isRunning; at++) {
    for (const line of ["north", "south"]) {
      const celsius = Math.round(75 + 20 * Math.sin((at + line.length) / 9));
      const machine = at % 97 === 50 ? "broken" : `m${at % 3}`;
      const late = at % 71 === 60 ? 30_000 : 0;
      const reading = { machine, celsius, at: Date.now() - late };
      await client.channel(`telemetry:${line}`).publish(reading);
    }
    if (at % 3 === 0) await client.channel("flood").publish({ first: at, count: 2 });
    await Bun.sleep(100);
  }
})();
try {
  for (const colorScheme of ["light", "dark"] as const) {
    const viewport = { width: 1560, height: 1100 };
    const context = await browser.newContext({ viewport, colorScheme });
    const { page } = await openWindow(context, `${dev.url}pipelines`);
    const rows = page.getByTestId("pipeline-heat").locator(".roll li");
    const dead = page.getByTestId("pipeline-heat").locator(".roll [data-of=dead]");
    await until(
      "there is something to see",
      async () => (await rows.count()) >= 24 && (await dead.count()) > 0,
      60_000,
    );
    await page.screenshot({ path: `${IMAGES}pipelines-${colorScheme}.png`, fullPage: true });
    await context.close();
  }
} finally {
  isRunning = false;
  await machines;
  await client.close();
  await browser.close();
  await dev.stop();
}
