// Owns: what the browser tests share: a real `holdfast dev` on free ports, the system's Chromium,
// and waiting for conditions.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";

/** How long anything in these tests may take before it counts as failed. */
export const WAIT_MS = 20_000;
/** For a whole test, with start and restart of a node on a busy machine. */
export const TEST_MS = patience(90_000);

const root = fileURLToPath(new URL("../../", import.meta.url));

const CHROMIUM_ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** A running `holdfast dev`. */
export interface DevProcess {
  /** The page, ends with a slash. */
  readonly url: string;
  /** The WebSocket endpoint. */
  readonly connectUrl: string;
  /** What the process wrote so far, for a failing test to show. */
  log(): string;
  stop(): Promise<void>;
}

/** Starts `holdfast dev` on free loopback ports and waits until it answers. */
export async function startDev(args: readonly string[] = []): Promise<DevProcess> {
  const [port, internalPort] = [await freePort(), await freePort()];
  const child = Bun.spawn(
    [
      process.execPath,
      "apps/holdfast/src/main.ts",
      "dev",
      "--port",
      String(port),
      "--internal-port",
      String(internalPort),
      ...args,
    ],
    {
      cwd: root,
      stdout: "pipe",
      stderr: "pipe",
      stdin: "ignore",
      env: { ...process.env, NO_COLOR: "1" },
    },
  );
  let text = "";
  const read = async (stream: ReadableStream<Uint8Array>) => {
    const decoder = new TextDecoder();
    for await (const chunk of stream)
      text = (text + decoder.decode(chunk, { stream: true })).slice(-64_000);
  };
  const reading = Promise.all([read(child.stdout), read(child.stderr)]);
  const url = `http://127.0.0.1:${port}/`;
  const stop = async () => {
    child.kill("SIGTERM");
    const deadline = setTimeout(() => child.kill("SIGKILL"), patience(WAIT_MS));
    await child.exited;
    clearTimeout(deadline);
    await reading;
  };
  try {
    await until(`holdfast dev answers at ${url}`, async () => {
      if (child.exitCode !== null)
        throw new Error(`holdfast dev ended with ${child.exitCode}:\n${text}`);
      return fetch(`${url}connect`).catch(() => undefined);
    });
  } catch (error) {
    await stop();
    throw new Error(`${error}\n${text}`);
  }
  return { url, connectUrl: `ws://127.0.0.1:${port}/connect`, log: () => text, stop };
}

/** Starts the system's Chromium. `CHROMIUM` names another binary than the usual ones. */
export async function startBrowser({ keepsPages = false } = {}): Promise<Browser> {
  const candidates = [
    process.env.CHROMIUM,
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
  ];
  const executablePath = candidates.find((path) => path !== undefined && existsSync(path));
  if (!executablePath)
    throw new Error(
      "Chromium was not found: install it (Debian: apt-get install chromium) or name it in CHROMIUM",
    );
  return chromium.launch({
    executablePath,
    args: CHROMIUM_ARGS,
    // The automation's own flags switch it off.
    ...(keepsPages ? { ignoreDefaultArgs: ["--disable-back-forward-cache"] } : {}),
  });
}

/** A window with a list of everything that a developer would find in its console. */
export interface Window {
  readonly page: Page;
  /** Errors and warnings of the console, uncaught exceptions, failed requests. */
  readonly complaints: readonly string[];
}

export async function openWindow(context: BrowserContext, url: string): Promise<Window> {
  const page = await context.newPage();
  page.setDefaultTimeout(patience(WAIT_MS));
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()))
      complaints.push(`${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => complaints.push(`uncaught: ${error.message}`));
  page.on("requestfailed", (request) =>
    complaints.push(`request failed: ${request.url()} ${request.failure()?.errorText}`),
  );
  await page.goto(url);
  return { page, complaints };
}

/**
 * Waits until the condition gives something true, asking every 50 ms; fails with the sentence after
 * `limitMs`.
 */
export async function until<T>(
  sentence: string,
  condition: () => Promise<T> | T,
  limitMs = WAIT_MS,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + patience(limitMs);
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (performance.now() > deadline) throw new Error(`Not within ${limitMs} ms: ${sentence}`);
    await Bun.sleep(50);
  }
}
