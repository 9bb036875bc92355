import { afterAll, afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Client, credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { patience } from "../../../../../test/patience.ts";
import { ExternalScaler } from "./service.ts";
import { ScalerTerm, type ScalerTermOptions } from "./term.ts";

const folder = mkdtempSync(join(tmpdir(), "holdfast-scaler-"));
afterAll(() => rmSync(folder, { recursive: true }));
const FILES = { certFile: join(folder, "tls.crt"), keyFile: join(folder, "tls.key") };

let term: ScalerTerm | undefined;
const clients: Client[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  term?.end();
});

/** A term, and what it told: `next` resolves with the event after those that were read. */
function create(more: Partial<ScalerTermOptions> = {}) {
  const events: string[] = [];
  let heard = Promise.withResolvers<void>();
  let read = 0;
  term = new ScalerTerm({
    ...{ host: "127.0.0.1", port: 0, retryMs: 5, renewMs: 5 },
    demandOf: () => ({ ok: true, demand: { pods: 3, isHeld: false } }),
    events: { scalerCalled: () => {} },
    tell: ({ type }) => {
      events.push(type);
      heard.resolve();
    },
    ...more,
  });
  return {
    events,
    next: async (): Promise<string | undefined> => {
      while (events.length <= read) {
        heard = Promise.withResolvers<void>();
        await heard.promise;
      }
      read += 1;
      return events[read - 1];
    },
  };
}

/** `answered`, or the words of the failure. `ca`: by TLS, and it must be this certificate. */
function ask(port: number | undefined, ca?: Buffer): Promise<string> {
  const how = ca === undefined ? credentials.createInsecure() : credentials.createSsl(ca);
  const client = new ExternalScaler(`localhost:${port}`, how);
  clients.push(client);
  const request = { namespace: "live", scalerMetadata: { realtimeSet: "rt" } };
  const deadline = Date.now() + patience(5000);
  return new Promise((resolve) =>
    Reflect.get(client, "IsActive").call(client, request, { deadline }, (error: Error | null) =>
      resolve(error?.message ?? "answered"),
    ),
  );
}

function issue(): Buffer {
  const { certFile, keyFile } = FILES;
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${keyFile} -out ${certFile} -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost`;
  expect(Bun.spawnSync(["openssl", ...args.split(" ")], { stderr: "ignore" }).exitCode).toBe(0);
  return readFileSync(certFile);
}

test("it listens while the operator leads, and never else", async () => {
  const { next } = create();
  expect(term?.server).toBeUndefined();
  term?.begin();
  expect(await next()).toBe("listens");
  const port = term?.server?.port;
  expect(await ask(port)).toBe("answered");
  term?.end();
  expect(await next()).toBe("closed");
  expect(term?.server).toBeUndefined();
  expect(await ask(port)).toContain("UNAVAILABLE");
});

test("a term that ends before the port is had leaves nothing open", async () => {
  const { events } = create();
  const [ended] = [term];
  ended?.begin();
  ended?.end();
  const later = create();
  term?.begin();
  expect(await later.next()).toBe("listens");
  expect([events, ended?.server]).toEqual([[], undefined]);
});

test("a port that somebody has is tried again until it is free", async () => {
  const other = new Server();
  const port = await new Promise<number>((resolve) =>
    other.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (_, bound) =>
      resolve(bound),
    ),
  );
  const { next } = create({ port });
  term?.begin();
  expect(await next()).toBe("failed");
  expect(await next()).toBe("failed");
  other.forceShutdown();
  let event = await next();
  while (event === "failed") event = await next();
  expect(event).toBe("listens");
  expect(await ask(port)).toBe("answered");
});

test("a certificate that is missing is waited for, and a renewed one is used", async () => {
  const { next } = create({ tls: FILES });
  term?.begin();
  expect(await next()).toBe("failed");
  const first = issue();
  let event = await next();
  while (event === "failed") event = await next();
  expect(event).toBe("listens");
  expect(await ask(term?.server?.port, first)).toBe("answered");
  const second = issue();
  // Key and certificate are written one after the other.
  while (event !== "closed") event = await next();
  while (event !== "listens") event = await next();
  expect(await ask(term?.server?.port, second)).toBe("answered");
  expect(await ask(term?.server?.port, first)).toContain("UNAVAILABLE");
});
