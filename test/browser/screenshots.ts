// Owns: the README's pictures of the page, taken from a real `holdfast dev`: `bun
// test/browser/screenshots.ts`.
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { openWindow, startBrowser, startDev, until } from "./harness.ts";
import { rename, say } from "./page.ts";

const IMAGES = fileURLToPath(new URL("../../docs/images/", import.meta.url));
/** Three columns, and small enough for a README. */
const VIEWPORT = { width: 1560, height: 1000 };

const [dev, browser] = await Promise.all([startDev(), startBrowser()]);
try {
  for (const colorScheme of ["light", "dark"] as const) {
    const context = await browser.newContext({ viewport: VIEWPORT, colorScheme });
    const [other, third, shown] = [await open("Gannet"), await open("Petrel"), await open("Ada")];
    if (colorScheme === "light") {
      await sayAndSee(other, "Deploying the new revision at noon. Keep talking.");
      await sayAndSee(third, "Noon? With four thousand people in here?");
      await sayAndSee(
        other,
        "That is the idea. Watch the ticks: the colour changes, the rhythm does not.",
      );
      await sayAndSee(shown, "Holding the rope until then.");
    }
    await pull(third, { x: 0.72, y: 0.86, hold: true });
    const tension = shown.getByTestId("metric-tension");
    await until(
      "half a minute of readings",
      async () => Number(await tension.getAttribute("data-points")) > 280,
      60_000,
    );
    await shown.getByTestId("restart").click();
    await until("the restart is over", async () => {
      const method = await shown.locator(".method").textContent({ timeout: 20_000 });
      return Number(/Watched for (\d+) s/.exec(method ?? "")?.[1]) >= 3;
    });
    await pull(other, { x: 0.36, y: 0.2, hold: false });
    await shown.bringToFront();
    await shown.screenshot({ path: `${IMAGES}page-${colorScheme}.png`, fullPage: true });
    console.log(colorScheme, await shown.getByTestId("verdict").textContent());
    await context.close();

    async function open(name: string): Promise<Page> {
      const { page } = await openWindow(context, dev.url);
      await rename(page, name);
      return page;
    }
  }
} catch (error) {
  console.error(dev.log());
  throw error;
} finally {
  await browser.close();
  await dev.stop();
}

async function sayAndSee(page: Page, text: string): Promise<void> {
  await say(page, text);
  await page.locator("li.said[data-offset]", { hasText: text }).waitFor();
}

/**
 * Moves the pointer to a share of the board; with `hold`, takes the rope along from where it hangs
 * in the middle.
 */
async function pull(
  page: Page,
  to: { readonly x: number; readonly y: number; readonly hold: boolean },
): Promise<void> {
  await page.getByTestId("board").scrollIntoViewIfNeeded();
  const box = await page.getByTestId("board").boundingBox();
  if (!box) throw new Error("the board has no box");
  const at = (x: number, y: number) => [box.x + box.width * x, box.y + box.height * y] as const;
  await page.mouse.move(...at(0.62, 0.56));
  if (to.hold) await page.mouse.down();
  await page.mouse.move(...at(to.x, to.y), { steps: 10 });
}
