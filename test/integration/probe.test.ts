// Checks `holdfast probe`, which `helm test` runs, against real nodes and against what is none.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { startCommand } from "./command.ts";
import { startNode, type TestNode } from "./start-node.ts";

const SECRET = "0123456789abcdef0123456789abcdef";
const PERMISSIONS = {
  subscribe: "token",
  publish: "token",
  presence: "token",
  history: "token",
} as const;

let open: TestNode;
let closed: TestNode;
const folder = mkdtempSync(join(tmpdir(), "holdfast-probe-"));

beforeAll(async () => {
  open = await startNode();
  closed = await startNode({
    contract: { channels: { "chat:{room}": { permissions: PERMISSIONS } } },
    env: {
      HOLDFAST_AUTH_ANONYMOUS: "false",
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      HOLDFAST_AUTH_JWT_AUDIENCE: "rt",
    },
  });
});

afterAll(async () => {
  await Promise.all([open.node.stop(), closed.node.stop()]);
  rmSync(folder, { recursive: true });
});

async function probe(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = startCommand(["probe", ...args], { env });
  const code = await command.ended();
  return { code, output: command.output() };
}

test("connects, loses the connection and comes back", async () => {
  const { code, output } = await probe([`--url=${open.url}`]);
  expect([code, output]).toEqual([
    0,
    expect.stringMatching(
      /^ok {2}connected .*\nok {2}lost the connection .*\nok {2}came back .*\nok {2}every step was done\n$/,
    ),
  ]);
});

test("publishes, receives, and finds what was published while it was away", async () => {
  const { code, output } = await probe([`--url=${open.url}`, "--channel=chat:probe"]);
  expect([code, output]).toEqual([
    0,
    expect.stringContaining("came back and received what was missed"),
  ]);
});

test("signs a token of its own where it has the secret", async () => {
  const env = { HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET, HOLDFAST_AUTH_JWT_AUDIENCE: "rt" };
  const { code, output } = await probe([`--url=${closed.url}`, "--channel=chat:probe"], env);
  expect([code, output]).toEqual([0, expect.stringContaining("every step was done")]);
});

test("takes a token from a file", async () => {
  const made = startCommand(["token", "--sub=ada", "--cap=chat:*=*"], {
    env: { HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET, HOLDFAST_AUTH_JWT_AUDIENCE: "rt" },
  });
  await made.ended();
  const file = join(folder, "token");
  writeFileSync(file, made.output());
  const { code, output } = await probe([
    `--url=${closed.url}`,
    "--channel=chat:probe",
    `--token-file=${file}`,
  ]);
  expect([code, output]).toEqual([0, expect.stringContaining("every step was done")]);
});

test("a step that a node refuses is status 1 with the node's reason", async () => {
  const { code, output } = await probe([`--url=${open.url}`, "--channel=nowhere:1"]);
  expect([code, output]).toEqual([1, expect.stringContaining("channel_unknown")]);
});

test("a volatile channel, which keeps nothing, fails at what was missed", async () => {
  const { code, output } = await probe([`--url=${open.url}`, "--channel=fast:1", "--timeout=5s"]);
  expect([code, output]).toEqual([
    1,
    expect.stringContaining("came back and received what was missed"),
  ]);
});

test("where nobody answers it is status 3, and says why", async () => {
  const { code, output } = await probe([
    `--url=ws://127.0.0.1:${await freePort()}/connect`,
    "--timeout=1s",
  ]);
  expect([code, output]).toEqual([
    3,
    expect.stringMatching(/expected "connected", found: not within 1 s; last error: /),
  ]);
});

test("without a token where one is needed it fails at once, with the reason", async () => {
  const { code, output } = await probe([`--url=${closed.url}`]);
  expect([code, output]).toEqual([1, expect.stringContaining("unauthorized")]);
});

test("a certificate for another name is refused, unless that is asked for as the chart's test does", async () => {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${key} -out ${cert} -days 2 -subj /CN=public.example`;
  expect(Bun.spawnSync(["openssl", ...args.split(" ")], { stderr: "ignore" }).exitCode).toBe(0);
  const secure = await startNode({
    env: { HOLDFAST_TLS_CERT_FILE: cert, HOLDFAST_TLS_KEY_FILE: key },
  });
  try {
    const url = `--url=wss://127.0.0.1:${secure.node.port}/connect`;
    expect((await probe([url, "--timeout=1s"])).code).toBe(3);
    const { code, output } = await probe([url], { NODE_TLS_REJECT_UNAUTHORIZED: "0" });
    expect([code, output]).toEqual([0, expect.stringContaining("every step was done")]);
  } finally {
    await secure.node.stop();
  }
});

const REFUSED: readonly (readonly [string, readonly string[], string])[] = [
  ["no address", [], "--url"],
  ["an address of another kind", ["--url=redis://localhost"], "expected ws://"],
  ["a time that is none", ["--url=ws://localhost", "--timeout=soon"], "--timeout soon"],
  ["data that is no JSON", ["--url=ws://localhost", "--data={"], "--data"],
  [
    "a token file that is not there",
    ["--url=ws://localhost", "--token-file=nowhere"],
    "--token-file",
  ],
];

test.each(REFUSED)("status 2: %s", async (_name, args, text) => {
  const { code, output } = await probe(args);
  expect([code, output]).toEqual([2, expect.stringContaining(text)]);
});

/** A server as a gateway's route leads to: what it answers by path. */
function plainServer() {
  const hosts: (string | null)[] = [];
  const server = Bun.serve({
    port: 0,
    fetch(request, self) {
      hosts.push(request.headers.get("host"));
      const { pathname } = new URL(request.url);
      const [, status] = /^\/(\d+)$/.exec(pathname) ?? [];
      if (status !== undefined) return new Response("no\n", { status: Number(status) });
      return self.upgrade(request) ? undefined : new Response("no socket", { status: 426 });
    },
    websocket: { message: () => {} },
  });
  return { url: `ws://127.0.0.1:${server.port}`, hosts, stop: () => server.stop(true) };
}

test.each<[string, number, string]>([
  ["/ws", 0, "a socket opened"],
  ["/401", 0, "the application answered 401"],
  ["/426", 0, "the application answered 426"],
  ["/404", 1, "found: 404 no"],
  ["/429", 1, "found: 429"],
  ["/503", 1, "found: 503"],
])("--plain: %s ends with %i: %s", async (path, status, says) => {
  const server = plainServer();
  const { code, output } = await probe(["--plain", `--url=${server.url}${path}`]);
  server.stop();
  expect([code, output]).toEqual([status, expect.stringContaining(says)]);
});

test("--plain asks for the host that it is told, and says if nobody answers", async () => {
  const server = plainServer();
  const args = ["--plain", `--url=${server.url}/ws`, "--host=game.example.com"];
  expect((await probe(args)).code).toBe(0);
  server.stop();
  expect(server.hosts).toEqual(["game.example.com"]);
  const { code, output } = await probe(["--plain", `--url=ws://127.0.0.1:${await freePort()}`]);
  expect([code, output]).toEqual([3, expect.stringContaining("expected a socket, found: ")]);
});
