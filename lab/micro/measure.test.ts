// Owns: a check that a whole round works with real processes: every server, every message counted.
import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { patience } from "../../test/patience.ts";
import { measureRound } from "./measure.ts";
import type { Plan } from "./plan.ts";

setDefaultTimeout(patience(20_000));

const HERE = import.meta.dir;
const plan: Plan = {
  rounds: 1,
  connections: 40,
  drivers: 2,
  connectsPerSecond: 1000,
  room: 10,
  windowMs: 100,
  roomWindowMs: 100,
  singlesPerSecond: 400,
  roomPerSecond: 400,
  everyonePerSecond: 400,
  settleReadings: 1,
  quick: true,
  json: false,
};
const driver = [process.execPath, join(HERE, "driver.ts")];

for (const rival of ["bun", "holdfast"] as const) {
  test(`a round of ${rival} delivers every message once`, async () => {
    const server = [
      process.execPath,
      join(HERE, rival === "bun" ? "rivals/bare-bun.ts" : "rivals/holdfast.ts"),
    ];
    const round = await measureRound(plan, rival, { server, driver });
    expect(Object.values(round.fanOuts).map((fanOut) => fanOut.wrong)).toEqual(
      Object.keys(round.fanOuts).map(() => 0),
    );
    expect(round.fanOuts.room).toMatchObject({ deliveries: 40 });
    expect(round.fanOuts.everyone?.deliveries).toBe(40);
    expect(
      Number(round.fanOuts.single?.userUs) + Number(round.fanOuts.single?.systemUs),
    ).toBeGreaterThan(0);
  });
}
