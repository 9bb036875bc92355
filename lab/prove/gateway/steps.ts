// Owns: the steps of the gateway's proof: what happens to its servers, and to itself.
import { freePort } from "../redis-servers.ts";
import type { Backend } from "./backends.ts";
import type { Front } from "./front.ts";

export interface GatewayStage {
  readonly front: Front;
  /** Servers that clients are sent to. A step leaves as many as it found. */
  readonly backends: Backend[];
  startBackend(port?: number): Promise<Backend>;
  /** Told in the report. */
  note(text: string): void;
}

export interface GatewayStep {
  readonly name: string;
  readonly title: string;
  /** `drain`: nothing is lost, and nobody closed. `death`: frames of the dead may be missing. */
  readonly kind: "steady" | "drain" | "death";
  /** Longest answer above that of a steady step, if it is not that of its kind. */
  readonly aboveSteadyMsMax?: number;
  run(stage: GatewayStage): Promise<void>;
}

const STEADY_MS = 10_000;
const FROZEN_MS = 10_000;
const AWAY_MS = 5000;
const SETTLE_MS = 2000;

const addresses = ({ backends }: GatewayStage): readonly string[] =>
  backends.map(({ address }) => address);

const others = ({ backends }: GatewayStage, without: Backend): readonly string[] =>
  backends.filter((one) => one !== without).map(({ address }) => address);

const steady: GatewayStep = {
  name: "steady",
  title: "Nothing happens",
  kind: "steady",
  run: () => Bun.sleep(STEADY_MS),
};

/** Each server is replaced by a newer one at another address: another pod. */
const rolling: GatewayStep = {
  name: "rolling",
  title: "Rolling update: each server is replaced by a newer one",
  kind: "drain",
  async run(stage) {
    for (const old of [...stage.backends]) {
      const fresh = await stage.startBackend();
      stage.backends.splice(stage.backends.indexOf(old), 1, fresh);
      await stage.front.route(addresses(stage));
      await stage.front.emptied(old.address);
      old.signal("SIGTERM");
      await old.ended();
    }
  },
};

const drainOne: GatewayStep = {
  name: "drain-one",
  title: "One server is drained by the control API, and comes back",
  kind: "drain",
  async run(stage) {
    const [one] = stage.backends;
    if (one === undefined) return;
    await stage.front.drain(one.address, others(stage, one));
    await stage.front.emptied(one.address);
    one.signal("SIGTERM");
    await one.ended();
    const fresh = await stage.startBackend();
    stage.backends.splice(0, 1, fresh);
    await stage.front.route(addresses(stage));
  },
};

/** The port of a dead pod refuses; its address stays known until somebody notices. */
const killOne: GatewayStep = {
  name: "kill-one",
  title: "One server is killed (SIGKILL)",
  kind: "death",
  async run(stage) {
    const one = stage.backends.pop();
    if (one === undefined) return;
    one.signal("SIGKILL");
    await one.ended();
    await Bun.sleep(SETTLE_MS);
    stage.backends.push(await stage.startBackend(one.port));
    await Bun.sleep(SETTLE_MS);
  },
};

const freezeOne: GatewayStep = {
  name: "freeze-one",
  title: `One server is frozen for ${FROZEN_MS / 1000} s (SIGSTOP)`,
  kind: "drain",
  aboveSteadyMsMax: FROZEN_MS + SETTLE_MS,
  async run(stage) {
    const one = stage.backends.find((_, place) => place === 1);
    one?.signal("SIGSTOP");
    await Bun.sleep(FROZEN_MS);
    one?.signal("SIGCONT");
    await Bun.sleep(SETTLE_MS);
    stage.note("its clients wait: nothing says that it will not go on");
  },
};

const allAway: GatewayStep = {
  name: "all-away",
  title: `All servers are away for ${AWAY_MS / 1000} s`,
  kind: "death",
  // Clients try again up to 3 s apart.
  aboveSteadyMsMax: AWAY_MS + 3000 + SETTLE_MS,
  async run(stage) {
    const ports = stage.backends.map(({ port }) => port);
    for (const one of stage.backends) one.signal("SIGKILL");
    await Promise.all(stage.backends.map((one) => one.ended()));
    await Bun.sleep(AWAY_MS);
    const fresh = await Promise.all(ports.map((port) => stage.startBackend(port)));
    stage.backends.splice(0, stage.backends.length, ...fresh);
    await Bun.sleep(AWAY_MS);
  },
};

/** One more server that takes connections and says nothing, and one that ends each of them. */
const badEndpoints: GatewayStep = {
  name: "bad-endpoints",
  title:
    "An endpoint that never answers and one that ends each socket are added, and one is drained",
  kind: "drain",
  async run(stage) {
    const [silent, rude] = [await freePort(), await freePort()];
    const silence = Bun.listen({ hostname: "127.0.0.1", port: silent, socket: { data() {} } });
    const rudeness = Bun.listen({
      ...{ hostname: "127.0.0.1", port: rude },
      socket: { open: (socket) => void socket.end(), data() {} },
    });
    const [one] = stage.backends;
    await stage.front.route([...addresses(stage), `127.0.0.1:${silent}`, `127.0.0.1:${rude}`]);
    if (one !== undefined) {
      await stage.front.drain(one.address, others(stage, one));
      await stage.front.emptied(one.address);
      one.signal("SIGTERM");
      await one.ended();
      stage.backends.splice(0, 1, await stage.startBackend());
    }
    await stage.front.route(addresses(stage));
    silence.stop(true);
    rudeness.stop(true);
  },
};

export const GATEWAY_STEPS: readonly GatewayStep[] = [
  steady,
  rolling,
  drainOne,
  killOne,
  freezeOne,
  allAway,
  badEndpoints,
];
