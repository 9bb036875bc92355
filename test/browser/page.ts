// Owns: finding things on the page that dev serves.
import type { Locator, Page } from "playwright-core";

export const by = (page: Page, id: string): Locator => page.getByTestId(id);

export const text = async (page: Page, id: string): Promise<string> =>
  (await by(page, id).textContent()) ?? "";

/** Resolves when the strip says connected. */
export const connected = (page: Page): Promise<void> =>
  by(page, "state").getByText("connected", { exact: true }).waitFor();

export async function rename(page: Page, name: string): Promise<void> {
  await by(page, "name").fill(name);
  await by(page, "name").press("Enter");
}

/** Sends a message by keyboard; does not wait for it. */
export async function say(page: Page, words: string): Promise<void> {
  await by(page, "message").fill(words);
  await by(page, "message").press("Enter");
}
