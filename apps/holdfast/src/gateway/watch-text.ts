// Owns: noticing that the configuration file says something else now.
import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Host } from "../host.ts";

const LOOK_MS = 2000;

/**
 * Reads the file every 2 s, because Kubernetes replaces a mounted file by moving a link, of which
 * watchers hear late or never. `changed` is called once for each other content than `before`. A
 * file that cannot be read counts as unchanged: it may be about to be replaced.
 */
export function watchText(
  { file, before }: { readonly file: string; readonly before: string | undefined },
  host: Host,
  changed: () => void,
): { stop(): void } {
  const path = resolve(host.cwd, file);
  let known = before;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isStopped = false;
  const look = async (): Promise<void> => {
    const text = await readFile(path, "utf8").catch(() => undefined);
    if (isStopped) return;
    if (text !== undefined && known !== undefined && text !== known) changed();
    known = text ?? known;
    timer = setTimeout(() => void look(), LOOK_MS);
  };
  void look();
  return {
    stop() {
      isStopped = true;
      clearTimeout(timer);
    },
  };
}
