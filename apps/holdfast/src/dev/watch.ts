// Owns: noticing that the contract file has changed.
import { type FSWatcher, watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";

/** Editors write a file in several steps: the last one counts. */
const SETTLE_MS = 120;

export interface FileWatch {
  close(): void;
}

/**
 * Calls `changed` when the file's content is another than before, once for all steps of one save.
 * The folder is watched, not the file, because editors replace files. A file that is absent for a
 * moment has not changed. `onError`: the system cannot watch (any more).
 */
export function watchFile(
  path: string,
  changed: () => void,
  onError: (error: unknown) => void,
): FileWatch {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let content: Promise<string | undefined> = read(path);
  const look = async () => {
    const [before, now] = await Promise.all([content, read(path)]);
    if (now === undefined || now === before) return;
    content = Promise.resolve(now);
    changed();
  };
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(dirname(path), (_kind, name) => {
      if (name !== null && name !== basename(path)) return;
      clearTimeout(timer);
      timer = setTimeout(() => void look(), SETTLE_MS);
    });
    watcher.on("error", onError);
  } catch (error) {
    onError(error);
  }
  return {
    close() {
      clearTimeout(timer);
      watcher?.close();
    },
  };
}

function read(path: string): Promise<string | undefined> {
  return readFile(path, "utf8").catch(() => undefined);
}
