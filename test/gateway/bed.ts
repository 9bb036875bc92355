// Owns: a gateway with real sockets for tests of profiles: endpoints that come, leave and die, and
// clients of plain WebSocket.
import { EndpointTable, type Profile } from "@holdfast/rehoming";
import { Gateway, type Route } from "@holdfast/relay/gateway";
import { sleep } from "bun";
import { patience } from "../patience.ts";

export { type PlainClient, plainClient } from "../plain-client.ts";

export interface GatewayBed extends Disposable {
  readonly port: number;
  readonly url: string;
  readonly moves: { readonly cause: string; readonly pausedMs: number }[];
  readonly failures: string[];
  dropped: number;
  /** Bytes that wait or that profiles remember. */
  taken: number;
  /** Which endpoints take clients. Those that are missing leave, and their clients are moved. */
  takes(...addresses: readonly string[]): void;
  /** Clients whose upstream is at this address. */
  count(address: string): number;
  /** Orders every client of an endpoint away. */
  drain(address: string): void;
}

/** A gateway in this process with one route, `/`. */
export function gatewayBed(profile: Profile, ...addresses: readonly string[]): GatewayBed {
  return gatewayBedWith({ profile, messageBytesMax: 1 << 20 }, ...addresses);
}

/** The same with a limit for messages. */
export function gatewayBedWith(
  { profile, messageBytesMax }: Pick<Route, "profile" | "messageBytesMax">,
  ...addresses: readonly string[]
): GatewayBed {
  const endpoints = new EndpointTable({ slowStartMs: 1 });
  const route: Route = {
    ...{ name: "app", path: "/", profile, endpoints, openMsMax: 1000, messageBytesMax },
  };
  const room = {
    take: (bytes: number) => {
      bed.taken += bytes;
      return true;
    },
    give: (bytes: number) => {
      bed.taken -= bytes;
    },
  };
  const gateway = new Gateway({
    ...{ host: "127.0.0.1", port: 0, routes: [route], clientsMax: 1000, room },
    observer: {
      moved: (cause, pausedMs) => bed.moves.push({ cause, pausedMs }),
      moveFailed: (_, why) => bed.failures.push(why),
      dropped: (frames) => {
        bed.dropped += frames;
      },
      ended: () => {},
      refused: () => {},
    },
  });
  const bed: GatewayBed = {
    ...{ port: gateway.port, url: `ws://127.0.0.1:${gateway.port}/`, moves: [], failures: [] },
    ...{ dropped: 0, taken: 0 },
    takes: (...now) =>
      endpoints.discovered(
        now.map((address) => ({ address, takes: true })),
        performance.now(),
      ),
    count: (address) => gateway.clients(route, address).length,
    drain: (address) => {
      for (const { held } of gateway.clients(route, address)) held.move("drain", 10_000);
    },
    [Symbol.dispose]: () => gateway.end(),
  };
  bed.takes(...addresses);
  return bed;
}

/** Waits for a condition; throws with `what` if it does not come. */
export async function until(what: string, is: () => boolean, ms = 20_000): Promise<void> {
  const untilMs = performance.now() + patience(ms);
  while (!is()) {
    if (performance.now() > untilMs) throw new Error(`not in time: ${what}`);
    await sleep(5);
  }
}

export interface Program {
  readonly address: string;
  readonly child: Bun.Subprocess;
  kill(): Promise<void>;
}

const running = new Set<Program>();

/** Ends what a test that failed has left. */
export async function endPrograms(): Promise<void> {
  for (const program of running) await program.kill();
}

/** Starts a program that writes its port in its first line. */
export async function startProgram(
  command: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const child = Bun.spawn([...command], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  let text = "";
  for await (const part of child.stdout.pipeThrough(new TextDecoderStream())) {
    text += part;
    if (text.includes("\n")) break;
  }
  const port = Number(text.split("\n")[0]);
  if (!(port > 0)) throw new Error(`${command.join(" ")} did not say its port: ${text}`);
  const program: Program = {
    ...{ address: `127.0.0.1:${port}`, child },
    async kill() {
      running.delete(program);
      child.kill("SIGKILL");
      await child.exited;
    },
  };
  running.add(program);
  return program;
}
