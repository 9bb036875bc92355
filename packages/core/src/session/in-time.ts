// Owns: the time that the application's own code (rules, schemas, hooks) may take for one request.
import type { Observer } from "../observer.ts";
import type { Clock } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import { Refused } from "./refusal.ts";

/** What waiting for the application needs. */
export interface WaitNeeds {
  readonly clock: Pick<Clock, "after">;
  readonly observer: Pick<Observer, "bug">;
  settings(): NodeSettings;
}

/**
 * The application's answer, or `request_failed` if it takes longer than `timeouts.rpcMs`. A later
 * answer is ignored.
 */
export function inTime<T>(parts: WaitNeeds, what: string, answer: Promise<T>): Promise<T> {
  const { clock, settings, observer } = parts;
  return new Promise((resolve, reject) => {
    const cancel = clock.after(settings().timeouts.rpcMs, () => {
      observer.bug(what, new Refused("request_failed", `${what} did not answer in time`));
      reject(
        new Refused("request_failed", "The application did not answer in time", { retryMs: 1000 }),
      );
    });
    answer.then(resolve, reject).finally(cancel);
  });
}
