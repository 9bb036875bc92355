// Owns: whether the process may have as many files open as its configuration needs.
import { readFile } from "node:fs/promises";
import type { AppEvents } from "./events.ts";

/** Files beside sockets of clients: listeners, logs, libraries, room for the HTTP API. */
const FILES_SPARE = 256;

/** At the limit of open files a listener would spin instead of refusing, so this warns before. */
export async function warnOfFewFiles(
  connectionsMax: number,
  filesOfEach: number,
  events: AppEvents,
): Promise<void> {
  const limits = await readFile("/proc/self/limits", "utf8").catch(() => "");
  const filesMax = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  if (filesMax < connectionsMax * filesOfEach + FILES_SPARE)
    events.fewDescriptors({ filesMax, connectionsMax });
}
