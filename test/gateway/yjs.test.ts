// Real editors and real servers of Yjs, behind a real gateway: documents are equal at the end, and
// nobody is seen to leave, whatever happens to the servers.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { HocuspocusProvider, HocuspocusProviderWebsocket } from "@hocuspocus/provider";
import { yjsProfile } from "@holdfast/rehoming";
import { sleep } from "bun";
import type { Awareness } from "y-protocols/awareness";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { patience } from "../patience.ts";
import { type GatewayBed, gatewayBed, type Program, startProgram, until } from "./bed.ts";

setDefaultTimeout(patience(30_000));

const started: { stop(): void }[] = [];
afterEach(() => {
  for (const one of started.splice(0).reverse()) one.stop();
});
async function program(name: string, env: Record<string, string> = {}): Promise<Program> {
  const one = await startProgram(["node", `${import.meta.dir}/${name}.mjs`], env);
  started.push({ stop: () => void one.kill() });
  return one;
}
function bed(
  profile: Parameters<typeof gatewayBed>[0],
  ...programs: readonly Program[]
): GatewayBed {
  const one = gatewayBed(profile, ...programs.map(({ address }) => address));
  started.push({ stop: () => one[Symbol.dispose]() });
  return one;
}

interface Editor {
  readonly doc: Y.Doc;
  readonly awareness: Awareness;
  /** Others that were seen to leave. */
  readonly left: number[];
  /** How often its connection was closed. */
  closes: number;
}
function editor(doc: Y.Doc, awareness: Awareness): Editor {
  const one: Editor = { doc, awareness, left: [], closes: 0 };
  // Yjs tells nobody of a state that is a client's first.
  awareness.setLocalStateField("name", `editor ${doc.clientID}`);
  awareness.on("change", ({ removed }: { removed: number[] }) =>
    one.left.push(...removed.filter((id) => id !== doc.clientID)),
  );
  return one;
}
const sync = (one: Editor): string => Buffer.from(Y.encodeStateAsUpdate(one.doc)).toString("hex");
const words = (one: Editor): string[] =>
  one.doc.getText("t").toString().split(" ").filter(Boolean).sort();
const areEqual = (all: readonly Editor[]): boolean => new Set(all.map(sync)).size === 1;
const seesAll = (all: readonly Editor[]): boolean =>
  all.every(({ awareness }) =>
    all.every((other) =>
      Bun.deepEquals(
        awareness.getStates().get(other.doc.clientID),
        other.awareness.getLocalState(),
      ),
    ),
  );

const WORDS_MAX = 600;
/** Everybody types and moves the cursor, until `stop` says how many words there are. */
function typing(all: readonly Editor[]): { stop(): number } {
  let count = 0;
  const timer = setInterval(() => {
    for (const { doc, awareness } of all) {
      if (count >= WORDS_MAX) break;
      const text = doc.getText("t");
      text.insert(Math.floor(Math.random() * 2) * text.length, ` w${count++} `);
      awareness.setLocalStateField("cursor", count);
    }
  }, 10);
  return {
    stop() {
      clearInterval(timer);
      return count;
    },
  };
}
async function agree(all: readonly Editor[], count: number): Promise<void> {
  const expected = Array.from({ length: count }, (_, i) => `w${i}`).sort();
  const length = expected.join("").length + 2 * count;
  // A look at their lengths costs less than one at all that is in them.
  await until("all words are there", () =>
    all.every(({ doc }) => doc.getText("t").length === length),
  );
  await until("documents are equal", () => areEqual(all));
  await until("everybody sees everybody", () => seesAll(all));
  expect(words(all[0] as Editor)).toEqual(expected);
  expect(all.map(({ closes }) => closes)).toEqual(all.map(() => 0));
}

function viaYWebsocket({ url }: GatewayBed, room: string): Editor {
  const doc = new Y.Doc();
  const provider = new WebsocketProvider(url, room, doc, { disableBc: true });
  const one = editor(doc, provider.awareness);
  provider.on("connection-close", () => {
    one.closes += 1;
  });
  started.push({ stop: () => provider.destroy() });
  return one;
}

test("y-websocket: a drain while three write: nothing is lost, nobody is seen to leave", async () => {
  const a = await program("y-websocket-server");
  const gateway = bed(yjsProfile({ dialect: "y-websocket" }), a);
  const all = Array.from({ length: 3 }, () => viaYWebsocket(gateway, "room"));
  await until("all are there", () => seesAll(all));
  const writing = typing(all);
  await sleep(100);
  const b = await program("y-websocket-server");
  gateway.takes(b.address);
  gateway.drain(a.address);
  await until("all moved", () => gateway.count(b.address) === 3);
  await sleep(100);
  await agree(all, writing.stop());
  expect(all.flatMap(({ left }) => left)).toEqual([]);
  expect([gateway.dropped, gateway.failures]).toEqual([0, []]);
});

test("y-websocket: a server that is killed, three times: its document comes from its clients", async () => {
  let now = await program("y-websocket-server");
  const gateway = bed(yjsProfile({ dialect: "y-websocket" }), now);
  const all = Array.from({ length: 3 }, () => viaYWebsocket(gateway, "room"));
  await until("all are there", () => seesAll(all));
  const writing = typing(all);
  for (let round = 0; round < 3; round++) {
    await sleep(100);
    const next = await program("y-websocket-server");
    gateway.takes(next.address);
    await now.kill();
    await until("all moved", () => gateway.count(next.address) === 3);
    now = next;
  }
  await agree(all, writing.stop());
  expect(all.flatMap(({ left }) => left)).toEqual([]);
  // Whoever connects directly hears the same.
  const doc = new Y.Doc();
  const provider = new WebsocketProvider(`ws://${now.address}`, "room", doc, { disableBc: true });
  started.push({ stop: () => provider.destroy() });
  await until("the server has it", () => areEqual([...all, editor(doc, provider.awareness)]));
});

interface HocuspocusEditor extends Editor {
  readonly provider: HocuspocusProvider;
  readonly heard: string[];
}
/** Several documents over one socket. */
function viaHocuspocus(
  { url }: GatewayBed,
  names: readonly string[],
  token = "write",
): HocuspocusEditor[] {
  const websocketProvider = new HocuspocusProviderWebsocket({ url });
  started.push({ stop: () => websocketProvider.destroy() });
  return names.map((name) => {
    const doc = new Y.Doc();
    const heard: string[] = [];
    const provider = new HocuspocusProvider({
      ...{ websocketProvider, name, token, document: doc },
      onStateless: ({ payload }) => heard.push(payload),
      onClose: () => {
        one.closes += 1;
      },
    });
    provider.attach();
    started.push({ stop: () => provider.destroy() });
    const one = { ...editor(doc, provider.awareness as Awareness), provider, heard };
    return one;
  });
}

test("Hocuspocus: two documents over each socket, a drain, a kill, and a server that ends by itself", async () => {
  let now = await program("hocuspocus-server");
  const gateway = bed(yjsProfile({ dialect: "hocuspocus" }), now);
  const clients = Array.from({ length: 3 }, () => viaHocuspocus(gateway, ["a", "b"]));
  const documents = [0, 1].map((i) => clients.map((editors) => editors[i] as HocuspocusEditor));
  await until("all are there", () => documents.every(seesAll));
  const writing = documents.map(typing);
  for (const how of ["drain", "SIGKILL", "SIGTERM"] as const) {
    await sleep(100);
    const next = await program("hocuspocus-server");
    gateway.takes(next.address);
    if (how === "drain") gateway.drain(now.address);
    else now.child.kill(how);
    await until(`all moved, ${how}`, () => gateway.count(next.address) === 3);
    now = next;
  }
  await sleep(100);
  const counts = writing.map((one) => one.stop());
  for (const [i, editors] of documents.entries()) {
    await agree(editors, counts[i] ?? 0);
    expect(editors.flatMap(({ left }) => left)).toEqual([]);
    await until("all is acknowledged", () =>
      editors.every(({ provider }) => !provider.hasUnsyncedChanges),
    );
    expect(editors.map(({ provider }) => provider.isAuthenticated)).toEqual([true, true, true]);
  }
  expect(gateway.dropped).toBe(0);
});

test("Hocuspocus: who may only read stays so, and stateless messages are answered by the new server", async () => {
  const a = await program("hocuspocus-server");
  const gateway = bed(yjsProfile({ dialect: "hocuspocus" }), a);
  const [writer] = viaHocuspocus(gateway, ["a"]) as [HocuspocusEditor];
  const [reader] = viaHocuspocus(gateway, ["a"], "read") as [HocuspocusEditor];
  await until("both are there", () => seesAll([writer, reader]));
  const b = await program("hocuspocus-server");
  gateway.takes(b.address);
  gateway.drain(a.address);
  await until("both moved", () => gateway.count(b.address) === 2);
  writer.doc.getText("t").insert(0, " w0 ");
  await until("the reader hears", () => words(reader).length === 1);
  reader.doc.getText("t").insert(0, "mine");
  writer.provider.sendStateless("hello");
  await until("an answer", () => writer.heard.length === 1);
  expect(writer.heard).toEqual(["re:hello"]);
  expect([words(writer), reader.provider.authorizedScope]).toEqual([["w0"], "readonly"]);
  expect(reader.provider.hasUnsyncedChanges).toBe(true);
});

test("Hocuspocus: servers that refuse a token which was good before make its client connect anew", async () => {
  const a = await program("hocuspocus-server");
  const gateway = bed(yjsProfile({ dialect: "hocuspocus" }), a);
  const tokens = ["old", "new"];
  const refusals: string[] = [];
  const doc = new Y.Doc();
  const provider = new HocuspocusProvider({
    ...{
      url: gateway.url,
      name: "a",
      document: doc,
      token: () => tokens.shift() ?? "new",
      delay: 20,
      minDelay: 20,
    },
    onAuthenticationFailed: ({ reason }) => refusals.push(reason),
  });
  started.push({ stop: () => provider.destroy() });
  await until("logged in", () => provider.isAuthenticated);
  doc.getText("t").insert(0, "kept");
  await until("acknowledged", () => !provider.hasUnsyncedChanges);
  const others = [
    await program("hocuspocus-server", { REFUSED: "old" }),
    await program("hocuspocus-server", { REFUSED: "old" }),
  ];
  gateway.takes(...others.map(({ address }) => address));
  await a.kill();
  await until("logged in elsewhere", () =>
    others.some(({ address }) => gateway.count(address) === 1),
  );
  await until("with the new token", () => provider.isAuthenticated && !provider.hasUnsyncedChanges);
  expect([refusals, tokens, doc.getText("t").toString()]).toEqual([[], [], "kept"]);
});
