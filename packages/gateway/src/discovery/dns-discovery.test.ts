// Checks discovery by DNS against a name server on loopback: what is known, and what stays known.
import { afterEach, expect, test } from "bun:test";
import type { Endpoint } from "@holdfast/rehoming";
import { DnsServer } from "../testing/dns-server.ts";
import type { Discovery } from "./discovery.ts";
import { readService } from "./service-kinds.ts";

const opened: { stop(): void }[] = [];
afterEach(() => {
  for (const one of opened.splice(0)) one.stop();
});

async function start(options: Readonly<Record<string, unknown>>) {
  const server = await DnsServer.start();
  opened.push(server);
  const read = readService({
    dns: {
      ...{ name: "game.example.com", refreshMs: 500, timeoutMs: 300, servers: [server.address] },
      ...options,
    },
  });
  if (!read.ok) throw new TypeError(JSON.stringify(read.refused));
  const kube = () => Promise.reject(new TypeError("nobody asks Kubernetes"));
  const discovery: Discovery = read.value.open({ kube });
  const heard: (readonly Endpoint[])[] = [];
  opened.push(discovery);
  return { server, discovery, heard, begin: () => discovery.start((found) => heard.push(found)) };
}
async function until(what: string, is: () => boolean): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (is()) return;
    await Bun.sleep(5);
  }
  throw new TypeError(`not in time: ${what}`);
}
const addresses = (endpoints: readonly Endpoint[] | undefined) =>
  endpoints?.map(({ address }) => address);

test("each address is an endpoint, and a change is heard once, in whatever order it comes", async () => {
  const { server, heard, begin } = await start({ port: 8080 });
  server.answer = { kind: "a", addresses: ["10.0.0.2", "10.0.0.1", "10.0.0.2"] };
  begin();
  await until("the first word", () => heard.length === 1);
  expect(addresses(heard[0])).toEqual(["10.0.0.1:8080", "10.0.0.2:8080"]);
  server.answer = { kind: "a", addresses: ["10.0.0.1", "10.0.0.2"] };
  const { asked } = server;
  await until("asked again", () => server.asked > asked + 1);
  expect(heard.length).toBe(1);
  server.answer = { kind: "a", addresses: ["10.0.0.3"] };
  await until("the change", () => heard.length === 2);
  expect(addresses(heard[1])).toEqual(["10.0.0.3:8080"]);
});

for (const kind of ["silent", "broken", "unknown", "empty", "garbage"] as const)
  test(`the last known endpoints stay when DNS is ${kind}, and the trouble has words`, async () => {
    const { server, discovery, heard, begin } = await start({ port: 1 });
    server.answer = { kind: "a", addresses: ["10.0.0.1"] };
    begin();
    await until("the first word", () => heard.length === 1);
    expect(discovery.trouble).toBeUndefined();
    server.answer = { kind };
    await until("trouble", () => discovery.trouble !== undefined);
    expect(heard.length).toBe(1);
    server.answer = { kind: "a", addresses: ["10.0.0.9"] };
    await until("back", () => heard.length === 2);
    expect(discovery.trouble).toBeUndefined();
  });

test("before anything was heard, there is trouble and no word", async () => {
  const { discovery, heard, begin } = await start({ port: 1 });
  begin();
  await until("trouble", () => discovery.trouble?.startsWith("DNS") === true);
  expect(heard).toEqual([]);
});

test("targets of SRV have their own ports and weights; only the best priority is used", async () => {
  const { server, heard, begin } = await start({ kind: "srv", name: "_ws._tcp.example.com" });
  server.answer = {
    kind: "srv",
    targets: [
      { name: "b.example.com", port: 81, priority: 1, weight: 5 },
      { name: "a.example.com", port: 80, priority: 1, weight: 20 },
      { name: "zero.example.com", port: 80, priority: 1, weight: 0 },
      { name: "spare.example.com", port: 80, priority: 2, weight: 20 },
    ],
  };
  begin();
  await until("the first word", () => heard.length === 1);
  expect(heard[0]?.map(({ address, weight }) => [address, weight])).toEqual([
    ["a.example.com:80", 100],
    ["b.example.com:81", 25],
    ["zero.example.com:80", 1],
  ]);
});

test("nothing is asked and nothing is said after the end", async () => {
  const { server, discovery, heard, begin } = await start({ port: 1 });
  server.answer = { kind: "silent" };
  begin();
  await until("asked", () => server.asked > 0);
  server.answer = { kind: "a", addresses: ["10.0.0.1"] };
  discovery.stop();
  const { asked } = server;
  await Bun.sleep(700);
  expect([server.asked, heard.length]).toEqual([asked, 0]);
});
