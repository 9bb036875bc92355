// Owns: what a step of the gateway's proof is, and what it finds on its stage.
import type { Backend } from "../backends.ts";
import type { Front } from "../front.ts";
import type { StepKind } from "../step-kind.ts";

export interface GatewayStage {
  readonly front: Front;
  /** Servers that clients are sent to, the oldest first. A step leaves as many as it found. */
  readonly backends: Backend[];
  /** A step lasts so much of its full time. */
  readonly pace: number;
  startBackend(port?: number): Promise<Backend>;
  /** Told in the report. */
  note(text: string): void;
  /** The step does not hold. */
  fail(text: string): void;
}

export interface GatewayStep {
  readonly name: string;
  readonly title: string;
  readonly kind: StepKind;
  /** Longest answer above that of a steady step, if it is not that of its kind. */
  readonly aboveSteadyMsMax?: number;
  /** It is for applications alone whose servers understand `flood`. */
  readonly wantsFlood?: true;
  run(stage: GatewayStage): Promise<void>;
}

export const addresses = ({ backends }: GatewayStage): readonly string[] =>
  backends.map(({ address }) => address);

/**
 * Sends everybody away from the server that is the oldest, so it has clients, ends it, as a deploy
 * does, and starts another. `beside`: endpoints that are known, and are none of ours.
 */
export async function retire(stage: GatewayStage, beside: readonly string[] = []): Promise<void> {
  const old = stage.backends.shift();
  if (old === undefined) return;
  await stage.front.drain(old.address, [...addresses(stage), ...beside]);
  await stage.front.emptied(old.address);
  old.signal("SIGTERM");
  await old.ended();
  stage.backends.push(await stage.startBackend());
}
