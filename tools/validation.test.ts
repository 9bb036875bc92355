// Checks that what a plan believes by default is what was measured and kept in docs/benchmarks.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ValidationResult } from "@holdfast/lab";
import { CALIBRATION, type Calibration } from "@holdfast/plan";

const read = (path: string): unknown =>
  JSON.parse(readFileSync(new URL(`../docs/benchmarks/${path}`, import.meta.url), "utf8"));

interface Median {
  readonly median: number;
}
interface FanOut {
  readonly userUs: Median;
  readonly systemUs: Median;
}
interface Micro {
  readonly rivals: {
    readonly holdfast: {
      readonly idleBytes: Median;
      readonly subscribedBytes: Median;
      readonly fanOuts: Readonly<Record<"single" | "room" | "everyone", FanOut>>;
    };
  };
}

test("memory and CPU for each connection and delivery are the micro-benchmark's", () => {
  const { idleBytes, subscribedBytes, fanOuts } = (read("micro.json") as Micro).rivals.holdfast;
  const wholeUs = ({ userUs, systemUs }: FanOut): number => userUs.median + systemUs.median;
  const room = wholeUs(fanOuts.room);
  const measured: Partial<Record<keyof Calibration, number>> = {
    connectionBytes: idleBytes.median,
    subscriptionBytes: subscribedBytes.median - idleBytes.median,
    deliveryUs1k: room,
    deliveryUs10k: wholeUs(fanOuts.everyone),
    // A publication to one subscriber costs itself and one delivery.
    publicationUs: wholeUs(fanOuts.single) - room,
  };
  for (const [name, value] of Object.entries(measured))
    expect([name, CALIBRATION[name as keyof Calibration] / value]).toEqual([
      name,
      expect.closeTo(1, 1),
    ]);
});

test("the costs of handshakes are the last validation's, within what two runs differ by", () => {
  for (const [name, value] of Object.entries(
    (read("plan-validation.json") as ValidationResult).costs,
  )) {
    const ratio = CALIBRATION[name as keyof Calibration] / value;
    expect([name, ratio > 0.5 && ratio < 2]).toEqual([name, true]);
  }
});
