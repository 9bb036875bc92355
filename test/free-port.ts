// Owns: ports for programs that tests start, which must know their port before they listen.
import { createServer } from "node:net";

/** Below the ports that the system gives to whoever asks for any, from 32,768 on. */
const FIRST = 10_000;
const BLOCKS = 490;
const BLOCK_PORTS = 20;

let given = 0;

/**
 * A port of loopback that is free, and that no other test process is given in the meantime: each
 * process has a block of 20 by its id, and takes them in turn. `besides`: a distance at which a
 * second port must be free, at most 10,000; Redis takes port + 10,000 for its cluster bus.
 */
export async function freePort({ besides = 0 } = {}): Promise<number> {
  const first = FIRST + (process.pid % BLOCKS) * BLOCK_PORTS;
  for (let tries = 0; tries < BLOCK_PORTS; tries++) {
    const port = first + (given++ % BLOCK_PORTS);
    if ((await isFree(port)) && (besides === 0 || (await isFree(port + besides)))) return port;
  }
  throw new Error(`no port is free from ${first} to ${first + BLOCK_PORTS - 1}`);
}

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1" }, () => probe.close(() => resolve(true)));
  });
