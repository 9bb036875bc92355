// Checks the image without a registry: the tree that the Dockerfile copies, run as a container
// would, with a real client.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Holdfast } from "@holdfast/client";
import { ARCHES, nativeArch } from "../../tools/image/arch.ts";
import { buildImage, buildStage } from "../../tools/image/build.ts";
import { compile } from "../../tools/image/compile.ts";
import { confinedCommand, requireConfinement, USER_ID } from "../../tools/image/confined.ts";
import { copiesOf, parseDockerfile } from "../../tools/image/dockerfile.ts";
import { ROOT } from "../../tools/image/root.ts";
import { addRuntimeFiles, assembleTree, type Entry, entriesOf } from "../../tools/image/tree.ts";
import { freePort } from "../free-port.ts";
import {
  childrenOf,
  eventually,
  type RunningCommand,
  startCommand,
} from "../integration/command.ts";
import { patience } from "../patience.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-image-"));
const TREE = join(FOLDER, "root");
const DOCKERFILE = readFileSync(join(ROOT, "deploy/image/Dockerfile"), "utf8");
const SECRET = "0123456789abcdef0123456789abcdef";
const CONFIG = "etc/holdfast";
const BROKER_HOST = "broker.holdfast.internal";
const running: RunningCommand[] = [];
let shipped: readonly Entry[] = [];

/** A compilation and several starts on a busy machine. */
setDefaultTimeout(patience(120_000));
beforeAll(async () => {
  requireConfinement();
  // The user of the image comes through here.
  chmodSync(FOLDER, 0o755);
  const arch = nativeArch();
  await buildImage({
    arch,
    out: join(buildStage(arch), "out"),
    dpkgStatus: "/var/lib/dpkg/status",
  });
  assembleTree(copiesOf(parseDockerfile(DOCKERFILE).final), stages(), TREE);
  shipped = entriesOf(TREE);
  addRuntimeFiles(TREE, [BROKER_HOST]);
  // Where a ConfigMap would be mounted.
  mkdirSync(join(TREE, CONFIG), { recursive: true });
});
afterAll(() => {
  for (const command of running) command.signal("SIGKILL");
  rmSync(FOLDER, { recursive: true, force: true });
});

/** The C library's stage is this machine, the build's stage the folder that was just built. */
function stages(): Readonly<Record<string, string>> {
  return { libc: "/", build: buildStage(nativeArch()) };
}

/** `holdfast` in the tree, confined. */
function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  tree = TREE,
): RunningCommand {
  const command = startCommand(args, {
    program: confinedCommand(tree, ["/holdfast"]),
    cwd: "/",
    env,
  });
  running.push(command);
  return command;
}

/** The process itself; the one that was started holds its namespaces. */
function processOf(command: RunningCommand): number {
  const [pid] = childrenOf(command.pid);
  if (pid === undefined) throw new Error(`no process:\n${command.output()}`);
  return pid;
}

interface Served {
  readonly command: RunningCommand;
  readonly url: string;
  readonly internal: string;
}

/** A node with this contract file that lets in who has a token. */
async function serve(name: string, contract: string): Promise<Served> {
  writeFileSync(join(TREE, CONFIG, name), contract);
  const [port, internalPort] = [await freePort(), await freePort()];
  const args = [
    "serve",
    "--contract",
    `/${CONFIG}/${name}`,
    "--host",
    "127.0.0.1",
    "--internal-host",
    "127.0.0.1",
  ];
  const command = start(
    [...args, "--port", String(port), "--internal-port", String(internalPort)],
    {
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      HOLDFAST_DRAIN_PRE_DELAY_MS: "0",
      HOLDFAST_DRAIN_WINDOW_MS: "1s",
    },
  );
  await command.until((output) => output.includes('"node_listening"'));
  return {
    command,
    url: `ws://127.0.0.1:${port}/connect`,
    internal: `http://127.0.0.1:${internalPort}`,
  };
}

async function token(): Promise<string> {
  const command = start(["token", "--sub", "ada", "--cap", "chat:*=subscribe,publish"], {
    HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
  });
  expect(await command.ended()).toBe(0);
  return command.output().trim();
}

async function terminate(command: RunningCommand): Promise<number> {
  process.kill(processOf(command), "SIGTERM");
  return await command.ended();
}

const CONTRACT = `import { defineContract } from "@holdfast/contract";
import { z } from "zod";
import { traced } from "./traced.ts";

export default defineContract({
  channels: { "chat:{room}": { payload: z.object({ text: z.string().max(5) }) } },
  rpc: { where: { input: z.object({}), output: z.string(), handler: () => traced() } },
});
`;

describe("what the Dockerfile copies", () => {
  test("is one program, the C library and papers: no shell, nothing that others may write or that gives rights", () => {
    const files = shipped.filter(({ kind }) => kind !== "folder");
    const programs = files.filter(
      ({ path, mode }) => (mode & 0o111) !== 0 && !path.includes(".so."),
    );
    expect(programs.map(({ path }) => path)).toEqual(["/holdfast"]);
    const rest = files
      .map(({ path }) => path)
      .filter(
        (path) =>
          path !== "/holdfast" && !/^\/lib(64)?\/(ld-linux-|lib(c|m|dl|pthread)\.so)/.test(path),
      );
    expect(rest.filter((path) => !path.startsWith("/usr/share/doc/"))).toEqual([
      "/usr/lib/os-release",
      "/var/lib/dpkg/status.d/libc6",
    ]);
    expect(shipped.filter(({ kind, mode }) => kind === "other" || (mode & 0o6022) !== 0)).toEqual(
      [],
    );
  });

  test("has a bill of materials with what the executable is made of, and no more", async () => {
    const bill = await Bun.file(join(TREE, "usr/share/doc/holdfast/sbom.cdx.json")).json();
    const purls: readonly string[] = bill.components.map(
      ({ purl }: { readonly purl: string }) => purl,
    );
    for (const part of [
      "pkg:npm/bun@",
      "pkg:npm/%40holdfast/server@",
      "pkg:npm/zod@",
      "pkg:deb/debian/libc6@",
    ])
      expect(purls.filter((purl) => purl.startsWith(part))).toHaveLength(1);
    expect(purls.filter((purl) => /typescript|playwright|biome|react/.test(purl))).toEqual([]);
    const licences = await Bun.file(
      join(TREE, "usr/share/doc/holdfast/third-party-licences.txt"),
    ).text();
    expect(licences).toContain("Permission is hereby granted");
  });

  test("has the same executable when it is built again", async () => {
    const again = join(FOLDER, "again/holdfast");
    await compile(nativeArch(), again);
    const hash = async (path: string) =>
      new Bun.CryptoHasher("sha256").update(await Bun.file(path).arrayBuffer()).digest("hex");
    expect(await hash(again)).toBe(await hash(join(TREE, "holdfast")));
    rmSync(dirname(again), { recursive: true });
  });

  test("does not run without one of its files, so this check can fail", async () => {
    const without = join(FOLDER, "without");
    const copies = copiesOf(parseDockerfile(DOCKERFILE).final);
    assembleTree(copies, stages(), without);
    addRuntimeFiles(without);
    rmSync(join(without, "lib/libm.so.6"));
    const command = start(["--version"], {}, without);
    expect(await command.ended()).toBe(127);
    expect(command.output()).toContain("libm.so.6");
    rmSync(without, { recursive: true });
  });
});

describe("an executable for the other processor", () => {
  test("is made here from the locked Bun, for that processor, and finds the loader where the Dockerfile puts it", async () => {
    const arch = nativeArch() === "amd64" ? "arm64" : "amd64";
    const path = join(FOLDER, "foreign");
    await compile(arch, path);
    const head = Buffer.from(await Bun.file(path).slice(0, 4096).arrayBuffer());
    expect(head.readUInt16LE(18)).toBe(ARCHES[arch].elfMachine);
    const loader = /\/lib[\w/-]*\/ld-linux-[\w-]+\.so\.\d/.exec(head.toString("latin1"))?.[0] ?? "";
    const targets = copiesOf(parseDockerfile(DOCKERFILE).final).filter(({ sources }) =>
      sources.some((source) => source.includes("/ld-linux-")),
    );
    expect(targets.map(({ target }) => target)).toContain(`${dirname(loader)}/`);
    rmSync(path);
  });
});

describe("a node in it", () => {
  test("serves a client with a contract of TypeScript, and drains on SIGTERM, with no rights and nothing written", async () => {
    writeFileSync(
      join(TREE, CONFIG, "traced.ts"),
      "export const traced = (): string => String(new Error().stack);\n",
    );
    const credentials = await token();
    const { command, url, internal } = await serve("holdfast.config.ts", CONTRACT);
    const before = entriesOf(TREE);
    const pid = processOf(command);
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    if (process.getuid?.() === 0)
      expect(status).toMatch(
        new RegExp(`^Uid:\\t${USER_ID}\\t${USER_ID}\\t${USER_ID}\\t${USER_ID}$`, "m"),
      );
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapAmb"])
      expect(status).toMatch(new RegExp(`^${set}:\\t0+$`, "m"));
    expect(status).toMatch(/^NoNewPrivs:\t1$/m);
    expect(readFileSync(`/proc/${pid}/mountinfo`, "utf8")).toMatch(/^\d+ \d+ \S+ \S+ \/ ro,/m);

    expect(await (await fetch(`${internal}/readyz`)).json()).toMatchObject({ ready: true });
    const client = new Holdfast(url, { getToken: () => Promise.resolve(credentials) });
    const room = client.channel("chat:lobby");
    const received: unknown[] = [];
    await room.subscribe(({ data }) => void received.push(data)).ready;
    await room.publish({ text: "hello" });
    await eventually("the publication comes", () => received.length === 1);
    expect(received).toEqual([{ text: "hello" }]);
    expect(await room.publish({ text: "too long" }).catch((error: unknown) => error)).toMatchObject(
      { code: "payload_invalid" },
    );

    client.close();
    expect(await terminate(command)).toBe(0);
    expect(command.events().map(({ event }) => event)).toEqual(
      expect.arrayContaining(["drain_finished", "stopped"]),
    );
    expect(entriesOf(TREE)).toEqual(before);
  });

  test("names files and lines of the sources in its traces", async () => {
    const { command, url } = await serve("holdfast.config.ts", CONTRACT);
    const client = new Holdfast(url, { getToken: token });
    const trace = String(await client.rpc("where", {}));
    const [, path = "", line = ""] =
      /\bcall \((packages\/\w+\/src\/[\w/-]+\.ts):(\d+):\d+\)/.exec(trace) ?? [];
    expect(trace).toContain(`/${CONFIG}/traced.ts:1:`);
    expect(readFileSync(join(ROOT, path), "utf8").split("\n")[Number(line) - 1]).toContain("#run(");
    client.close();
    expect(await terminate(command)).toBe(0);
  });

  test("reads a contract that was bundled with a library of its own, and says what to do with one that was not", async () => {
    const source = join(FOLDER, "own.ts");
    const text = CONTRACT.replace('import { z } from "zod";', 'import * as v from "valibot";')
      .replace(
        "z.object({ text: z.string().max(5) })",
        "v.object({ text: v.pipe(v.string(), v.maxLength(5)) })",
      )
      .replace(/^import .*traced.*\n|^ {2}rpc: .*\n/gm, "");
    writeFileSync(source, text);
    writeFileSync(join(TREE, CONFIG, "own.ts"), text);
    const refused = start(["serve", "--auth-insecure", "--contract", `/${CONFIG}/own.ts`]);
    expect(await refused.ended()).toBe(2);
    expect(refused.output()).toContain("valibot");
    expect(refused.output()).toContain(
      "brings @holdfast/contract, @holdfast/pipelines, @holdfast/sinks, zod",
    );

    writeFileSync(
      source,
      text.replace('"valibot"', JSON.stringify(join(ROOT, "node_modules/valibot"))),
    );
    // The command of docs/operations/install.md.
    const bundling = [
      "build",
      source,
      "--target=bun",
      "--external=@holdfast/contract",
      `--outfile=${join(TREE, CONFIG, "own.js")}`,
    ];
    expect(Bun.spawnSync([process.execPath, ...bundling]).exitCode).toBe(0);
    const { command, url } = await serve(
      "own.js",
      readFileSync(join(TREE, CONFIG, "own.js"), "utf8"),
    );
    const client = new Holdfast(url, { getToken: token });
    await client.channel("chat:lobby").publish({ text: "hello" });
    expect(
      await client
        .channel("chat:lobby")
        .publish({ text: "too long" })
        .catch((error: unknown) => error),
    ).toMatchObject({ code: "payload_invalid" });
    client.close();
    expect(await terminate(command)).toBe(0);
  });

  test("finds a broker by name, with no resolver's files but the runtime's", async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections++;
      socket.destroy();
    });
    const port = await new Promise<number>((resolve) =>
      server.listen({ host: "127.0.0.1", port: 0 }, () => {
        const address = server.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
    const command = start(["serve", "--auth-insecure", "--port", "0", "--internal-port", "0"], {
      HOLDFAST_BROKER_URL: `redis://${BROKER_HOST}:${port}`,
    });
    await eventually("the node connects to its broker", () => connections > 0).catch((error) => {
      throw new Error(command.output(), { cause: error });
    });
    command.signal("SIGKILL");
    server.close();
  });

  test("is checked and put under load by commands of the same executable, which start more processes of themselves", async () => {
    const { command, url } = await serve("holdfast.config.ts", CONTRACT);
    const probe = start(
      ["probe", "--url", url, "--channel", "chat:lobby", "--data", '{"text":"probe"}'],
      {
        HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      },
    );
    expect({ code: await probe.ended(), output: probe.output() }).toMatchObject({ code: 0 });
    const carried = ["--connections=2", "--warm-up=0s", "--duration=500ms"];
    const bench = start(["bench", "ping", url, ...carried], {
      HOLDFAST_BENCH_TOKEN: await token(),
    });
    expect({ code: await bench.ended(), output: bench.output() }).toMatchObject({ code: 0 });
    expect(bench.output()).toContain("2 connected");
    expect(await terminate(command)).toBe(0);
  });

  test("comes with the other commands", async () => {
    expect(await start(["keygen"]).ended()).toBe(0);
    const config = start(["config"], { HOLDFAST_AUTH_RESUME_SECRET: SECRET });
    expect(await config.ended()).toBe(0);
    expect(config.output()).not.toContain(SECRET);
    const ports = [{ containerPort: 8000 }];
    const container = {
      name: "holdfast",
      image: "holdfast:1",
      ports,
      env: [{ name: "HOLDFAST_PORT", value: "8000" }],
    };
    const template = {
      metadata: { labels: { app: "holdfast" } },
      spec: { containers: [container] },
    };
    const spec = { replicas: 2, selector: { matchLabels: { app: "holdfast" } }, template };
    const deployment = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "holdfast", namespace: "live" },
      spec,
    };
    writeFileSync(join(TREE, CONFIG, "deployment.json"), JSON.stringify(deployment));
    const doctor = start(["doctor", `/${CONFIG}/deployment.json`, "--fail-on", "never"]);
    expect(await doctor.ended()).toBe(0);
    expect(doctor.output()).toContain("Deployment live/holdfast");
  });

  test("has no dev, and says so", async () => {
    const command = start(["dev"]);
    expect(await command.ended()).toBe(2);
    expect(command.output()).toContain("holdfast serve");
  });
});
