// Owns: applications in other languages that answer a real node's hooks and RPCs: what they decide,
// that they refuse what nobody signed, and what clients see while they are away.
import { afterEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Holdfast, type HoldfastError } from "@holdfast/client";
import { SignJWT } from "jose";
import { eventually, type RunningCommand, startCommand } from "../integration/command.ts";

const ROOT = join(import.meta.dir, "../..");
const SECRET = "a secret of at least thirty-two characters";
const DESK_SECRET = "whsec_YSBzZWNyZXQgdGhhdCB0aGUgZGVzayBhbmQgdGhlIG5vZGVzIGhhdmU=";
const { PYTHON = "python3", BACK_END_GO = "" } = process.env;

const DESKS = {
  python: [PYTHON, join(ROOT, "examples/back-ends/python/desk.py")],
  go: [BACK_END_GO],
} as const;

const processes: RunningCommand[] = [];
const clients: Holdfast[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
  for (const one of processes.splice(0)) {
    one.signal("SIGKILL");
    await one.ended().catch(() => {});
  }
});

function command(...[args, options]: Parameters<typeof startCommand>): RunningCommand {
  const started = startCommand(args, options);
  processes.push(started);
  return started;
}

async function startDesk(language: keyof typeof DESKS, port = 0, secret = DESK_SECRET) {
  const desk = command([String(port)], {
    program: DESKS[language],
    env: { DESK_SECRET: secret },
  });
  await desk.until((output) => /listening on \d+\n/.test(output));
  return { desk, port: Number(/listening on (\d+)/.exec(desk.output())?.[1]) };
}

/** A node with the example's configuration, and the desk's port in it. */
async function startNode(port: number, more: object = {}) {
  const file = await Bun.file(join(ROOT, "examples/back-ends/holdfast.yaml")).text();
  const { backEnds } = Bun.YAML.parse(file) as { backEnds: { desk: object } };
  const desk = { ...backEnds.desk, url: `http://127.0.0.1:${port}/holdfast`, ...more };
  const node = command(["serve", "--config", join(ROOT, "examples/back-ends/holdfast.yaml")], {
    env: {
      DESK_SECRET,
      HOLDFAST_PORT: "0",
      HOLDFAST_INTERNAL_PORT: "0",
      HOLDFAST_HOST: "127.0.0.1",
      HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
      HOLDFAST_LOG_FORMAT: "json",
      HOLDFAST_BACK_ENDS: JSON.stringify({ desk }),
    },
  });
  await node.until((output) => output.includes('"node_listening"'));
  const listening = node.events().find(({ event }) => event === "node_listening");
  return {
    node,
    url: `${String(listening?.url).replace("http", "ws")}/connect`,
    metrics: async () => (await fetch(`${listening?.internalUrl}/metrics`)).text(),
  };
}

function connect(url: string, user?: string): Holdfast {
  const token = () =>
    new SignJWT({})
      .setProtectedHeader({ alg: "HS256" })
      .setSubject(user ?? "")
      .setExpirationTime("5m")
      .sign(new TextEncoder().encode(SECRET));
  const client = new Holdfast(url, user === undefined ? {} : { getToken: token });
  clients.push(client);
  return client;
}

const failureOf = (work: Promise<unknown>): Promise<HoldfastError> =>
  work.then(
    () => expect.unreachable(),
    (error: HoldfastError) => error,
  );

describe.each(Object.keys(DESKS) as (keyof typeof DESKS)[])("a back end in %s", (language) => {
  test("decides who connects and subscribes, what is published, and answers RPCs", async () => {
    const { port } = await startDesk(language);
    const { node, url } = await startNode(port);
    const ada = connect(url, "ada");
    const heard: unknown[] = [];
    await ada.channel("room:desk-1").subscribe(({ data }) => heard.push(data)).ready;
    const stranger = connect(url);
    const refused = stranger.channel("room:desk-1").subscribe(() => {});
    expect(await failureOf(refused.ready)).toMatchObject({ code: "rejected" });
    await stranger.channel("room:desk-1").publish({ text: "my secret is 7", at: 1 });
    await stranger.channel("room:desk-1").publish({ text: "hello" });
    await eventually("both are heard", () => heard.length === 2);
    expect(heard).toEqual([{ text: "(removed)", at: 1 }, { text: "hello" }]);
    expect(await ada.rpc("close", { ticket: "7" })).toEqual({ closed: "7", by: "ada" });
    expect(await stranger.rpc("close", { ticket: "7" })).toEqual({ closed: "7", by: null });
    const wrong = await failureOf(ada.rpc("close", { ticket: "8" }));
    expect(wrong.code).toBe("rejected");
    expect(wrong.message).toContain("There is no such ticket");
    const bytes = new Uint8Array([0, 1, 255]);
    expect(await ada.rpc("echo", bytes)).toEqual(bytes);
    const text = { umlaut: "ä\u2028\u{1F600}", deep: [[1.5, null, true]] };
    expect(await ada.rpc("echo", text)).toEqual(text);
    const mallory = connect(url, "mallory");
    expect(await failureOf(mallory.rpc("echo", 1))).toMatchObject({ code: "rejected_connect" });
    expect(node.events().filter(({ event }) => event === "bug")).toEqual([]);
  });

  test("is away, answers with a fault, and comes back: no client is refused for good", async () => {
    const first = await startDesk(language);
    const { node, url, metrics } = await startNode(first.port, { hooks: ["onPublish"] });
    const client = connect(url, "ada");
    expect(await client.rpc("close", { ticket: "7" })).toMatchObject({ closed: "7" });
    expect(await failureOf(client.rpc("fail"))).toMatchObject({ code: "request_failed" });
    first.desk.signal("SIGKILL");
    await first.desk.ended().catch(() => {});
    await eventually("it is left alone", async () => {
      const error = await failureOf(client.rpc("close", { ticket: "7" }));
      expect(error).toMatchObject({ code: "request_failed", retry: "backoff" });
      return /back_end_away\{back_end="desk"\} 1/.test(await metrics());
    });
    // A publish waits in the client until it is taken.
    const published = client.channel("room:a").publish({ text: "secret" });
    await startDesk(language, first.port);
    await published;
    await eventually("it is asked again", () =>
      client.rpc("close", { ticket: "7" }).then(
        () => true,
        () => false,
      ),
    );
    const { messages } = await client.channel("room:a").history();
    expect(messages.map(({ data }) => data)).toEqual([{ text: "(removed)" }]);
    await eventually("it is told", () =>
      node.events().some(({ event }) => event === "back_end_back"),
    );
    expect(node.output()).not.toContain(DESK_SECRET.slice(8));
  });

  test("takes nothing that another secret signed, that is old, or that was changed", async () => {
    const { port } = await startDesk(language, 0, "another secret of the desk, as long");
    const { node, url } = await startNode(port, { hooks: [] });
    const client = connect(url, "ada");
    expect(await failureOf(client.rpc("close", { ticket: "7" }))).toMatchObject({
      code: "rpc_failed",
    });
    expect(node.output()).toContain("it answered 401");
  });
});

test.each([
  ["python", [PYTHON, "test_vectors.py"], "python"],
  ["go", ["go", "test", "./backend"], "go"],
] as const)(
  "the helper in %s takes the signatures of the vectors, and no others",
  async (_l, program, folder) => {
    const cwd = join(ROOT, "examples/back-ends", folder);
    const run = command([], { program, cwd, env: { GOFLAGS: "" } });
    const code = await run.ended();
    expect({ code, output: run.output() }).toMatchObject({ code: 0 });
  },
);

test("if hooks allow without an answer, clients notice nothing of a back end that is away", async () => {
  const { desk, port } = await startDesk("python");
  desk.signal("SIGKILL");
  await desk.ended().catch(() => {});
  const { url } = await startNode(port, { whenAway: "allow" });
  const client = connect(url, "mallory");
  await client.channel("room:a").publish({ text: "secret" });
  const { messages } = await client.channel("room:a").history();
  expect(messages.map(({ data }) => data)).toEqual([{ text: "secret" }]);
});
