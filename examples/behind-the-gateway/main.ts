// Owns: `npm run example:gateway`: a gateway, two applications behind it, and a page with a button.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Application, type Status } from "./application.ts";
import { PlainBalancer } from "./balancer.ts";
import { ExampleError } from "./example-error.ts";
import { Gateway } from "./gateway.ts";
import { freePort, publicPort } from "./ports.ts";
import { Site } from "./site.ts";

const HELP = `npm run example:gateway -- [--port 8080] [--host 127.0.0.1]

A Hocuspocus editor and a game behind holdfast gateway. Open the page, and replace their servers.
  --port   where the page is; 0: any. Without it: 8080, or any if that is taken
  --host   who may open it; 0.0.0.0: everybody who reaches this machine
`;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      host: { type: "string", default: "127.0.0.1" },
      help: { type: "boolean" },
    },
  });
  if (values.help === true) {
    console.log(HELP);
    return 0;
  }
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
    console.error(`Cannot use --port ${values.port}: expected a whole number from 0 to 65535`);
    return 2;
  }
  return await run(values.host, await publicPort(values.host, port));
}

/** Resolves when a signal has ended it. */
async function run(host: string, port: number): Promise<number> {
  const ended = signalled();
  const startedMs = performance.now();
  const folder = mkdtempSync(join(tmpdir(), "holdfast-example-"));
  mkdirSync(join(folder, "world"));
  const balancers = {
    editor: await PlainBalancer.start(host),
    game: await PlainBalancer.start(host),
  };
  const progress = progressLines();
  const site = await Site.start({
    plainPorts: { editor: balancers.editor.port, game: balancers.game.port },
    application: () => application,
    gateway: () => gateway,
  });
  const gateway = new Gateway({
    ...{ host, port, folder, pageAddress: site.address },
    adminPort: await freePort("127.0.0.1"),
  });
  const application: Application = new Application({
    ...{ folder, gateway, balancers },
    onStep: (status) => {
      progress(status);
      site.tell();
    },
  });
  let isWell = false;
  try {
    await application.start();
    console.log(banner({ host, port, application, gateway, startedMs }));
    isWell = (await Promise.race([ended, gateway.exited])) === "signal";
    if (!isWell) console.error(`The gateway ended by itself: see ${folder}/gateway.log`);
  } finally {
    site.stop();
    for (const balancer of Object.values(balancers)) balancer.stop();
    await Promise.all([gateway.stop(), application.stop()]);
    // The logs stay if something went wrong.
    if (isWell) rmSync(folder, { recursive: true });
  }
  return isWell ? 0 : 1;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

function signalled(): Promise<"signal"> {
  return new Promise((resolve) => {
    for (const signal of SIGNALS) process.on(signal, () => resolve("signal"));
  });
}

interface Started {
  readonly host: string;
  readonly port: number;
  readonly application: Application;
  readonly gateway: Gateway;
  readonly startedMs: number;
}

function banner({ host, port, application, gateway, startedMs }: Started): string {
  const shown = ["127.0.0.1", "0.0.0.0", "::", "::1"].includes(host) ? "localhost" : host;
  return [
    "",
    `  holdfast gateway, ready in ${Math.round(performance.now() - startedMs)} ms`,
    "",
    `  http://${shown}:${port}/`,
    "",
    `  behind it: ${application.servers.map(({ name }) => name).join(", ")}; plain Node, without Holdfast`,
    `  its file: ${gateway.file}`,
    "  Press the button in the page, or kill -9 one of these processes. Ctrl-C ends everything.",
    "",
  ].join("\n");
}

/** A line for each step of a replacement. */
function progressLines(): (status: Status) => void {
  let beganMs = performance.now();
  let last: Partial<Status> = {};
  return (status) => {
    if (status.count !== last.count) beganMs = performance.now();
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
    if (status.step !== last.step && status.count > 0)
      console.log(`  ${seconds.padStart(5)} s  ${status.step}`);
    if (status.failure !== undefined && status.failure !== last.failure)
      console.error(`\n${status.failure}\n`);
    last = status;
  };
}

const isMisuse = (error: unknown): boolean =>
  error instanceof TypeError && String(Reflect.get(error, "code")).startsWith("ERR_PARSE_ARGS");

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ExampleError) && !isMisuse(error)) throw error;
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = error instanceof ExampleError ? 1 : 2;
}
