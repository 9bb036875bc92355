// Owns: `npm run dev`: a node, the back end and the page, each restarted when its files change.
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";

const { PORT = "5173", SERVER_PORT = "3000", HOLDFAST_PORT = "8000" } = process.env;
// Made for each run; production has its own (README.md).
const jwtSecret = randomBytes(32).toString("hex");
const apiKey = randomBytes(32).toString("hex");

const programs = {
  node: {
    args: ["node_modules/holdfast/holdfast.mjs", "dev", "--contract", "holdfast.config.ts"],
    env: {
      HOLDFAST_PORT,
      HOLDFAST_AUTH_ANONYMOUS: "false",
      HOLDFAST_AUTH_JWT_HMAC_SECRET: jwtSecret,
      HOLDFAST_API_KEYS: JSON.stringify([{ name: "server", key: apiKey, scopes: ["*"] }]),
    },
  },
  server: {
    args: ["node_modules/tsx/dist/cli.mjs", "watch", "--clear-screen=false", "server/main.ts"],
    env: {
      PORT: SERVER_PORT,
      NODE_URL: `http://localhost:${HOLDFAST_PORT}`,
      API_KEY: apiKey,
      JWT_SECRET: jwtSecret,
    },
  },
  page: { args: ["node_modules/vite/bin/vite.js"], env: { PORT, SERVER_PORT, HOLDFAST_PORT } },
};

/** @type {Map<string, import("node:child_process").ChildProcess>} */
const running = new Map();
let stopping = false;

function stop() {
  stopping = true;
  for (const child of running.values()) child.kill("SIGTERM");
}

for (const [name, { args, env }] of Object.entries(programs)) {
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, ...env },
  });
  running.set(name, child);
  child.once("exit", (code) => {
    running.delete(name);
    if (stopping) return;
    console.error(`${name} ended with ${code}; so do the others`);
    process.exitCode = 1;
    stop();
  });
}
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
