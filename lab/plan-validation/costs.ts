// Owns: the figures of a plan's calibration that the micro-benchmark does not measure: CPU of
// handshakes and refusals, memory of a node and of the kernel.
import { readFileSync } from "node:fs";
import { CALIBRATION, type Calibration } from "@holdfast/plan";
import type { ValidationGround } from "./test-bed.ts";

export type MeasuredCosts = Pick<
  Calibration,
  | "nodeBytes"
  | "nodeIdleUs"
  | "socketBytes"
  | "upgradeUs"
  | "connectUs"
  | "subscribeUs"
  | "refuseUs"
>;

const CONNECTIONS = 4000;
const PER_SECOND = 1000;
const IDLE_S = 5;
const FREE = { handshakesPerSecond: 100_000, preDelayMs: 500, windowMs: 5000 } as const;
/**
 * What the kernel keeps for one open TCP connection that is watched by epoll, without data on its
 * way: one object of each cache.
 */
const OBJECTS = ["TCP", "sock_inode_cache", "filp", "dentry", "eventpoll_epi"];

/** Connections of one driver, step by step, at a pace that a node holds easily. */
export async function measureCosts(ground: ValidationGround): Promise<MeasuredCosts> {
  const id = await ground.startNode(FREE);
  await Bun.sleep(1000);
  const nodeBytes = ground.rssBytes(id);
  const idleFromUs = ground.cpuUs(id);
  await Bun.sleep(IDLE_S * 1000);
  const nodeIdleUs = (ground.cpuUs(id) - idleFromUs) / IDLE_S;
  const each = async (step: () => Promise<unknown>): Promise<number> => {
    const beforeUs = ground.cpuUs(id);
    await step();
    return (ground.cpuUs(id) - beforeUs) / CONNECTIONS;
  };
  const paced = { count: CONNECTIONS, perSecond: PER_SECOND };
  const upgradeUs = await each(() => ground.one("idle", { ...paced, port: ground.port(id) }));
  const connectUs = await each(() =>
    ground.one("say", { ...paced, frame: { t: "connect", id: 1 } }),
  );
  const subscribeUs = await each(() =>
    ground.one("say", { ...paced, frame: { t: "subscribe", id: 2, ch: "room-0" } }),
  );
  await ground.clear();
  const refuseUs = await measureRefusal(ground, upgradeUs);
  return rounded({
    nodeBytes,
    nodeIdleUs,
    socketBytes: socketBytes(),
    upgradeUs,
    connectUs,
    subscribeUs,
    refuseUs,
  });
}

/** A node that admits no client: its cost of each client, without the upgrade. */
async function measureRefusal(ground: ValidationGround, upgradeUs: number): Promise<number> {
  const id = await ground.startNode({ ...FREE, handshakesPerSecond: 0.1 });
  await Bun.sleep(1000);
  const beforeUs = ground.cpuUs(id);
  await ground.one("idle", { count: CONNECTIONS, perSecond: PER_SECOND, port: ground.port(id) });
  await ground.one("say", { perSecond: PER_SECOND, frame: { t: "connect", id: 1 } });
  const usEach = (ground.cpuUs(id) - beforeUs) / CONNECTIONS;
  await ground.clear();
  return Math.max(0, usEach - upgradeUs);
}

function rounded(costs: MeasuredCosts): MeasuredCosts {
  const whole = (value: number): number => Number(value.toPrecision(3));
  return {
    nodeBytes: whole(costs.nodeBytes),
    nodeIdleUs: whole(costs.nodeIdleUs),
    socketBytes: whole(costs.socketBytes),
    upgradeUs: whole(costs.upgradeUs),
    connectUs: whole(costs.connectUs),
    subscribeUs: whole(costs.subscribeUs),
    refuseUs: whole(costs.refuseUs),
  };
}

/**
 * From the sizes of the kernel's objects; the plan's own figure if they cannot be read (only root
 * can read them).
 */
function socketBytes(): number {
  try {
    const lines = readFileSync("/proc/slabinfo", "utf8").split("\n");
    return lines
      .map((line) => line.split(/\s+/))
      .filter(([name = ""]) => OBJECTS.includes(name))
      .reduce((sum, [, , , size]) => sum + Number(size), 0);
  } catch {
    return CALIBRATION.socketBytes;
  }
}
