// Owns: the steps in which nobody may notice anything: deploys, drains, more servers.
import { addresses, type GatewayStep, retire } from "./step.ts";

const STEADY_MS = 10_000;
const BESIDE_MS = 2000;
const BALANCED_MS = 5000;

const steady: GatewayStep = {
  name: "steady",
  title: "Nothing happens",
  kind: "steady",
  run: ({ pace }) => Bun.sleep(STEADY_MS * pace),
};

/**
 * What a deploy costs the machine: a program that starts takes a processor for a while. Pauses of
 * the other steps are compared with this one as well.
 */
const neighbours: GatewayStep = {
  name: "neighbours",
  title: "As many servers start and end beside them, and nobody moves",
  kind: "steady",
  async run(stage) {
    for (let count = stage.backends.length; count > 0; count--) {
      const beside = await stage.startBackend();
      await Bun.sleep(BESIDE_MS * stage.pace);
      beside.signal("SIGTERM");
      await beside.ended();
    }
  },
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
    await retire(stage);
    await stage.front.route(addresses(stage));
  },
};

const scaleUp: GatewayStep = {
  name: "scale-up",
  title: "A server is added, clients move to it, and it goes again",
  kind: "drain",
  async run(stage) {
    const added = await stage.startBackend();
    const all = [...addresses(stage), added.address];
    await stage.front.route(all, { rebalances: true });
    const share = await stage.front.balanced(added.address, BALANCED_MS / stage.pace);
    if (share !== undefined) stage.note(`the added server got ${share} clients`);
    await stage.front.route(addresses(stage));
    await stage.front.emptied(added.address);
    added.signal("SIGTERM");
    await added.ended();
  },
};

export const DEPLOYS: readonly GatewayStep[] = [
  ...[steady, neighbours, rolling, drainOne, scaleUp],
];
