// Owns: the pictures of the gateway's example for the guide, taken from a real one: `bun
// test/browser/gateway-screenshots.ts`.
import { fileURLToPath } from "node:url";
import { openWindow, startBrowser, until } from "./harness.ts";
import { by, text } from "./page.ts";
import { startExample } from "./start-example.ts";

const IMAGES = fileURLToPath(new URL("../../docs/images/", import.meta.url));
const VIEWPORT = { width: 1440, height: 1000 };
/** The strip is full then. */
const STRIP_MS = 12_000;
const WORDS = {
  ada: "Dear Grace,\n\nwe deploy at noon, while four thousand people are on board.\n",
  grace: "\nSo I heard. Keep writing: nobody will notice.\n",
};

const [example, browser] = await Promise.all([startExample(), startBrowser()]);
try {
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ viewport: VIEWPORT, colorScheme });
    const { page } = await openWindow(context, example.url);
    await until("there is a server", async () => (await text(page, "step")).includes("serves"));
    if (colorScheme === "light") await by(page, "ada-text").pressSequentially(WORDS.ada);
    await Bun.sleep(STRIP_MS);
    await by(page, "deploy").click();
    if (colorScheme === "light") {
      await by(page, "grace-text").press("Control+End");
      await by(page, "grace-text").pressSequentially(WORDS.grace, { delay: 30 });
    }
    await until("it is over", () => text(page, "verdict"));
    await page.screenshot({ path: `${IMAGES}gateway-${colorScheme}.png`, fullPage: true });
    console.log(colorScheme, await by(page, "verdict").innerText());
    await context.close();
  }
} finally {
  await browser.close();
  await example.stop();
}
