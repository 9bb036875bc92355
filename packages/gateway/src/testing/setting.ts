// Owns: a whole gateway for tests, with servers behind it and clients before it: real sockets.

import { afterEach } from "bun:test";
import { loadConfig } from "@holdfast/config";
import type { GatewayEvents } from "../gateway-events.ts";
import { GATEWAY_OPTIONS, type GatewayConfig, type GatewayKey } from "../options/index.ts";
import { GatewayProgram } from "../program.ts";

export const opened: { stop(): unknown }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.stop();
});

/** Answers `re:<frame>@<name>`; its HTTP answers are its health. */
export class EchoServer {
  readonly name: string;
  readonly received: string[] = [];
  readonly headers: Headers[] = [];
  status = 200;
  readonly #server: Bun.Server<undefined>;

  /** `upgradeMs`: how long it takes to open a socket. */
  constructor(name: string, { upgradeMs = 0 }: { readonly upgradeMs?: number } = {}) {
    this.name = name;
    this.#server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: async (request, server) => {
        this.headers.push(request.headers);
        if (upgradeMs > 0) await Bun.sleep(upgradeMs);
        if (server.upgrade(request)) return undefined;
        return new Response(`${request.method} ${name}`, { status: this.status });
      },
      websocket: {
        message: (socket, frame) => {
          this.received.push(String(frame));
          socket.send(`re:${frame}@${name}`);
        },
      },
    });
    opened.push(this);
  }

  get address(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  stop(): void {
    void this.#server.stop(true);
  }
}

export const KEYS: Readonly<Record<string, readonly string[]>> = {
  reader: ["routes", "endpoints"],
  drainer: ["drain"],
  all: ["*"],
};

/** What the file would say. Ports are free ones. */
export function configOf(text: string): GatewayConfig {
  const loaded = loadConfig(GATEWAY_OPTIONS, {
    text,
    defaults: {
      ...{ port: 0, host: "127.0.0.1", "admin.port": 0, "admin.host": "127.0.0.1" },
      apiKeys: Object.entries(KEYS).map(([name, scopes]) => ({
        ...{ name, scopes },
        key: name.padEnd(40, "."),
      })),
    },
  });
  if (!loaded.ok) throw new TypeError(JSON.stringify(loaded.problems));
  return loaded.config;
}

/** Keys by their text. The program hashes them: what holds for that is tested there. */
const finder = (keys: readonly GatewayKey[]) => ({
  find(authorization: string | null) {
    const key = keys.find((one) => authorization === `Bearer ${one.key}`);
    if (key === undefined) return undefined;
    const may = (scope: string) => key.scopes.some((one) => one === scope || one === "*");
    return { name: key.name, may };
  },
});

export function startGateway(text: string) {
  const told: { readonly event: string; readonly fields: unknown }[] = [];
  const events = new Proxy({} as GatewayEvents, {
    get: (_, event) => (fields: unknown) => void told.push({ event: String(event), fields }),
  });
  const program = new GatewayProgram(configOf(text), {
    events,
    keys: { finder, wrong: () => undefined },
    kube: () => Promise.reject(new TypeError("nobody asks Kubernetes")),
    clientReader: () => (peer) => ({ address: peer, isTrusted: false }),
  });
  opened.push({ stop: () => program.stop() });
  const admin = `http://127.0.0.1:${program.adminPort}`;
  const api = async (method: string, path: string, body?: unknown, key = "all") => {
    const answer = await fetch(`${admin}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${key.padEnd(40, ".")}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: answer.status, body: await answer.json() };
  };
  const metrics = async () => (await fetch(`${admin}/metrics`)).text();
  const metric = async (series: string): Promise<number | undefined> => {
    const line = (await metrics()).split("\n").find((one) => one.startsWith(`${series} `));
    return line === undefined ? undefined : Number(line.split(" ").at(-1));
  };
  const ready = async () => (await fetch(`${admin}/readyz`)).status;
  return { program, told, admin, api, metrics, metric, ready };
}

export {
  ask,
  connectPlain as connect,
  type PlainClient as Client,
  until,
} from "../../../../test/plain-client.ts";
