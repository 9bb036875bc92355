// Owns: the back ends of a node: their secrets, certificates, metrics and log.
import { readFileSync } from "node:fs";
import type { Random } from "@holdfast/core";
import type { ServerEvents } from "../events.ts";
import type { ServerRecorder } from "../metrics/index.ts";
import { StartError } from "../node/start-error.ts";
import type { BackEndMap, BackEndSettings } from "../options/back-ends.ts";
import { BackEnd } from "./back-end.ts";

export interface BackEndParts {
  readonly secret: (name: string) => string | undefined;
  readonly recorder: Pick<ServerRecorder, "backEndAsked" | "backEndAway">;
  readonly events: Pick<ServerEvents, "backEndAway" | "backEndBack">;
  readonly random: Random;
}

/** Opens no connection. Throws StartError if a secret or a file is missing. */
export function openBackEnds(
  settings: BackEndMap,
  parts: BackEndParts,
): ReadonlyMap<string, BackEnd> {
  const problems: string[] = [];
  const backEnds = new Map<string, BackEnd>();
  for (const [name, one] of Object.entries(settings)) {
    const secret = secretOf(name, one, parts, problems);
    const ca = caOf(name, one, problems);
    const { recorder, events, random } = parts;
    recorder.backEndAway(name, false);
    const backEnd = new BackEnd(one, {
      fetch: (url, init) => fetch(url, init),
      random,
      nowMs: () => performance.now(),
      wallMs: () => Date.now(),
      asked: (type, outcome, ms) => recorder.backEndAsked(name, { type, outcome, ms }),
      changed: (state, reason) => {
        recorder.backEndAway(name, state === "away");
        if (state === "away") events.backEndAway({ backEnd: name, reason });
        else events.backEndBack({ backEnd: name });
      },
      secret,
      ca,
    });
    backEnds.set(name, backEnd);
  }
  if (problems.length > 0) throw new StartError("back_end_invalid", problems);
  return backEnds;
}

function secretOf(
  name: string,
  { secretFrom }: BackEndSettings,
  { secret }: BackEndParts,
  problems: string[],
): string | undefined {
  if (secretFrom === undefined) return undefined;
  const found = secret(secretFrom);
  if (found !== undefined && found.length >= SECRET_LENGTH_MIN) return found;
  const what = found === undefined ? "nothing" : `${found.length} characters`;
  problems.push(
    `Cannot sign requests to back end "${name}": found ${what} in ${secretFrom}, expected a secret of at least ${SECRET_LENGTH_MIN} characters`,
  );
  return undefined;
}

const SECRET_LENGTH_MIN = 24;

function caOf(name: string, { caFile }: BackEndSettings, problems: string[]): string | undefined {
  if (caFile === undefined) return undefined;
  try {
    return readFileSync(caFile, "utf8");
  } catch (error) {
    const found = error instanceof Error ? error.message : String(error);
    problems.push(`Cannot read caFile of back end "${name}": found ${found}`);
    return undefined;
  }
}
