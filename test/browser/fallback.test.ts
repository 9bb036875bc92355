// Owns: the SDK in Chromium behind a real proxy that blocks upgrades, and one that compresses
// streams as well, over two nodes and Redis, while nodes are replaced and one is killed.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { ensureNginx } from "../../tools/run/proxies.mjs";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import {
  accountOf,
  CLEAN,
  type EventsFleet,
  ROOM,
  startEventsFleet,
  untilPublished,
} from "./events-fleet.ts";
import type { FallbackState } from "./fixtures/fallback-page.ts";
import { startBrowser, TEST_MS, until } from "./harness.ts";

let fleet: EventsFleet;
let browser: Browser;
let script: string;
const folder = mkdtempSync(join(tmpdir(), "holdfast-nginx-"));
const nginxes: Bun.Subprocess[] = [];

beforeAll(async () => {
  [fleet, browser, script] = await Promise.all([startEventsFleet(2), startBrowser(), bundle()]);
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  for (const nginx of nginxes) nginx.kill("SIGTERM");
  await Promise.all(nginxes.map(({ exited }) => exited));
  await fleet?.stop();
  rmSync(folder, { recursive: true, force: true });
}, TEST_MS);

async function bundle(): Promise<string> {
  const entry = fileURLToPath(new URL("./fixtures/fallback-page.ts", import.meta.url));
  const built = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    conditions: ["bun"],
    format: "iife",
  });
  return (await built.outputs[0]?.text()) ?? "";
}

/** nginx passes no upgrade on unless it is told to. `buffers`: it holds answers back. */
async function startNginx(name: string, buffers: boolean): Promise<string> {
  const found = await ensureNginx();
  if (!found.ok) throw new Error(found.message);
  const port = await freePort();
  const config = join(folder, `${name}.conf`);
  // A compressor waits for more than a message: the usual reason why streams do not arrive.
  const hold = `proxy_ignore_headers X-Accel-Buffering; proxy_buffering on; gzip on;
      gzip_types text/event-stream; gzip_min_length 0; gzip_proxied any;`;
  await Bun.write(
    config,
    `user root; daemon off; worker_processes 1; error_log stderr; pid ${folder}/${name}.pid;
events { worker_connections 256; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://127.0.0.1:${fleet.balancer.port};
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_read_timeout 60s; proxy_buffer_size 64k;
      proxy_buffers 8 64k; ${buffers ? hold : ""}
    }
  }
}
`,
  );
  const nginx = Bun.spawn([found.env.NGINX ?? "", "-c", config, "-p", folder], {
    stdout: "ignore",
    stderr: "ignore",
  });
  nginxes.push(nginx);
  const url = `http://127.0.0.1:${port}`;
  await until("nginx answers", () => fetch(url).catch(() => undefined));
  return url;
}

const stateOf = (page: Page): Promise<FallbackState> => page.evaluate(() => window.fallbackState);

test(
  "the page finds a way through each proxy, and keeps its session while nodes are replaced and killed",
  async () => {
    const fronts = [await startNginx("blocks", false), await startNginx("holds", true)];
    const pages: Page[] = [];
    for (const front of fronts) {
      const page = await browser.newPage();
      await page.goto(front);
      await page.addScriptTag({ content: script });
      await page.evaluate(({ url, room }) => void window.listen(url, room), {
        url: `${front.replace("http", "ws")}/connect`,
        room: ROOM,
      });
      pages.push(page);
    }
    for (const page of pages)
      await until("it reads and publishes", async () => {
        const { told, published } = await stateOf(page);
        return told.length > 20 && published > 0;
      });
    const ways = await Promise.all(pages.map(async (page) => (await stateOf(page)).used[0]));
    expect(ways).toEqual(["stream", "poll"]);
    for (let turn = 0; turn < 2; turn++) {
      expect(await fleet.replaceOldest()).toBe(0);
      await untilPublished(fleet, 50);
    }
    const moved = await Promise.all(pages.map(stateOf));
    for (const { states } of moved) expect(states).toEqual(["connected"]);
    await fleet.killOldest();
    await untilPublished(fleet, 100);
    await fleet.stopPublishing();
    const last = fleet.acknowledged.size - 1;
    for (const [index, page] of pages.entries()) {
      await until(
        "it has the last one",
        async () => (await stateOf(page)).told.some(({ n }) => n === last),
        60_000,
      );
      const { told, gaps, used } = await stateOf(page);
      console.log(`${ways[index]}: ${told.length} received over ${used.length} connections`);
      expect(accountOf(told, fleet.acknowledged, gaps)).toEqual(CLEAN);
    }
  },
  TEST_MS + patience(120_000),
);
