// Owns: the small size in which scenarios are tested.
import { type Basics, DEFAULT_TARGET, type DriverName } from "@holdfast/load";

export function smallBasics(driver: DriverName, url: string, more: Partial<Basics> = {}): Basics {
  return {
    target: { ...DEFAULT_TARGET, driver, urls: [url] },
    connections: 30,
    connectsPerSecond: 500,
    workers: 2,
    seed: 7,
    payload: { bytes: 120 },
    observe: { metricsUrls: [], pids: [] },
    ms: 300,
    warmUpMs: 0,
    think: "random",
    channel: "bench-{run}-{n}",
    ...more,
  };
}
