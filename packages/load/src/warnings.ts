// Owns: reasons to doubt the figures of a run, in sentences. Pure.
import type { Figures, GeneratorUse } from "./result.ts";

/** A worker that uses more of its core than this has no room for bursts. */
const BUSY = 0.85;
/** An event loop that was late by more shows in what it measures. */
const LAG_US_MAX = 50_000;
/** As a share of all that was to be sent. */
const UNSENT_MAX = 0.01;

export function warningsOf(input: {
  readonly generator: GeneratorUse;
  readonly total: Figures;
  readonly unseen: readonly string[];
  readonly absent: number;
}): readonly string[] {
  const { generator, total, unseen, absent } = input;
  const { counts, times } = total;
  const ms = (us: number) => `${(us / 1000).toFixed(1)} ms`;
  const { delivery, lateness } = times;
  const lines: (string | false)[] = [
    generator.busiest > BUSY &&
      `A worker used ${Math.round(generator.busiest * 100)} % of a core: the generator may be the bottleneck, not the server. Use more workers, or another machine.`,
    generator.lagUs > LAG_US_MAX &&
      `A worker's event loop was late by ${ms(generator.lagUs)} once: times of that moment include it.`,
    lateness !== undefined &&
      delivery !== undefined &&
      lateness.p99Us > delivery.p99Us / 4 &&
      `The generator sent late (p99 ${ms(lateness.p99Us)}, of a delivery p99 of ${ms(delivery.p99Us)}): part of the latency is its own.`,
    counts.unsent > UNSENT_MAX * (counts.sent + counts.pings + counts.unsent) &&
      `${counts.unsent} publications or pings were due while their connection was down, and were not sent.`,
    absent > 0 && `${absent} connections were not there at the end of a phase that waits for them.`,
    counts.foreign > 0 &&
      `${counts.foreign} messages carried no mark of this run: someone else uses the channels, or the server changes payloads.`,
    ...unseen.map(
      (name) => `${name} did not answer or does not exist: nothing is known of its CPU and memory.`,
    ),
  ];
  return lines.filter((line) => line !== false);
}
