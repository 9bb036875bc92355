// Owns: the simulated winch: what it would measure next. Pure; time and chance are handed in.
import type { MetricKey } from "./names.ts";

/** Units: kN, rpm, °C; `phase` is in seconds. */
export interface Winch {
  readonly phase: number;
  readonly tension: number;
  readonly speed: number;
  readonly temperature: number;
}

const AMBIENT_C = 34;

/** A winch at rest in the harbour. */
export const restingWinch: Winch = { phase: 0, tension: 3, speed: 20, temperature: AMBIENT_C + 4 };

/**
 * The winch `dtMs` later. `pull` is how far people hold the rope from where it would hang, summed,
 * in board heights (0 and up). `chance` is uniform in [0, 1).
 */
export function stepWinch(
  winch: Winch,
  dtMs: number,
  input: { readonly pull: number; readonly chance: () => number },
): Winch {
  const dt = Math.min(dtMs, 1000) / 1000;
  const phase = winch.phase + dt;
  const noise = () => input.chance() - 0.5;
  const swell = 3.2 + 0.7 * Math.sin(phase * 0.55) + 0.25 * Math.sin(phase * 1.7);
  const tension =
    towards(winch.tension, swell + Math.min(input.pull, 4) * 10, dt / 0.35) + noise() * 0.08;
  const speed =
    towards(winch.speed, Math.max(0, 34 - tension * 2.6 + 4 * Math.sin(phase * 0.23)), dt / 0.8) +
    noise() * 0.35;
  const heat = tension * 0.9 + speed * 0.12;
  const temperature = towards(winch.temperature, AMBIENT_C + heat, dt / 14) + noise() * 0.04;
  return { phase, tension: Math.max(0, tension), speed: Math.max(0, speed), temperature };
}

/** What the winch publishes, by metric. */
export function readings(winch: Winch): ReadonlyMap<MetricKey, number> {
  const rounded = (value: number, digits: number) => Number(value.toFixed(digits));
  return new Map<MetricKey, number>([
    ["tension", rounded(winch.tension, 2)],
    ["speed", rounded(winch.speed, 1)],
    ["temperature", rounded(winch.temperature, 2)],
  ]);
}

function towards(value: number, target: number, share: number): number {
  return value + (target - value) * Math.min(1, share);
}
