// Owns: the steps in which servers fail: they die, hang, are away, or were never any good.
import { freePort } from "../../redis-servers.ts";
import { addresses, type GatewayStage, type GatewayStep, retire } from "./step.ts";

const FROZEN_MS = 10_000;
const AWAY_MS = 5000;
const SETTLE_MS = 2000;
/** Clients without a server try again up to 3 s apart. */
const RETRY_MS = 3000;

/** The port of a dead pod refuses; its address stays known until somebody notices. */
const killOne: GatewayStep = {
  name: "kill-one",
  title: "One server is killed (SIGKILL)",
  kind: "death",
  async run(stage) {
    const one = stage.backends.shift();
    if (one === undefined) return;
    one.signal("SIGKILL");
    await one.ended();
    await Bun.sleep(SETTLE_MS * stage.pace);
    stage.backends.push(await stage.startBackend(one.port));
    await Bun.sleep(SETTLE_MS * stage.pace);
  },
};

const freezeOne: GatewayStep = {
  name: "freeze-one",
  title: `One server is frozen for ${FROZEN_MS / 1000} s (SIGSTOP)`,
  kind: "hang",
  aboveSteadyMsMax: FROZEN_MS + SETTLE_MS,
  async run(stage) {
    const [one] = stage.backends;
    one?.signal("SIGSTOP");
    await Bun.sleep(FROZEN_MS * stage.pace);
    one?.signal("SIGCONT");
    await Bun.sleep(SETTLE_MS * stage.pace);
  },
};

const allAway: GatewayStep = {
  name: "all-away",
  title: `All servers are away for ${AWAY_MS / 1000} s`,
  kind: "death",
  aboveSteadyMsMax: AWAY_MS + RETRY_MS + SETTLE_MS,
  async run(stage) {
    const ports = stage.backends.map(({ port }) => port);
    for (const one of stage.backends) one.signal("SIGKILL");
    await Promise.all(stage.backends.map((one) => one.ended()));
    await Bun.sleep(AWAY_MS * stage.pace);
    const fresh = await Promise.all(ports.map((port) => stage.startBackend(port)));
    stage.backends.splice(0, stage.backends.length, ...fresh);
    await Bun.sleep(AWAY_MS * stage.pace);
  },
};

interface BadEndpoint extends Disposable {
  readonly address: string;
  connections: number;
}

/** It takes connections; `silent` never says anything, the other ends each at once. */
async function badEndpoint(isSilent: boolean): Promise<BadEndpoint> {
  const port = await freePort();
  const listener = Bun.listen({
    ...{ hostname: "127.0.0.1", port },
    socket: {
      open(socket) {
        endpoint.connections += 1;
        if (!isSilent) socket.end();
      },
      data() {},
    },
  });
  const endpoint: BadEndpoint = {
    ...{ address: `127.0.0.1:${port}`, connections: 0 },
    [Symbol.dispose]: () => listener.stop(true),
  };
  return endpoint;
}

/** Clients of a server that is drained meet it, and must end at a good one. */
async function withBadEndpoint(stage: GatewayStage, isSilent: boolean): Promise<void> {
  using bad = await badEndpoint(isSilent);
  await stage.front.route([...addresses(stage), bad.address]);
  await retire(stage, [bad.address]);
  stage.note(`${bad.connections} connections to it`);
  await stage.front.route(addresses(stage));
}

const silentEndpoint: GatewayStep = {
  name: "silent-endpoint",
  title: "An endpoint that accepts and never answers is added, and a server is drained",
  kind: "drain",
  run: (stage) => withBadEndpoint(stage, true),
};

const closingEndpoint: GatewayStep = {
  name: "closing-endpoint",
  title: "An endpoint that closes each connection at once is added, and a server is drained",
  kind: "drain",
  run: (stage) => withBadEndpoint(stage, false),
};

export const FAILURES: readonly GatewayStep[] = [
  ...[killOne, freezeOne, allAway, silentEndpoint, closingEndpoint],
];
