// Owns: the line with which a server says on stdout that it listens: what `holdfast serve` logs,
// and every rival's program prints.

export const READY_EVENT = "node_listening";

/**
 * Connections that may wait to be accepted, where a server can say so: with Node's 511 a crowd that
 * comes at once waits for TCP's repeats.
 */
export const BACKLOG = 4096;

export interface Ready {
  /** Of the public listener, http or ws. */
  readonly url: string;
  /** Where it is asked whether it is ready. */
  readonly internalUrl: string;
  /** Of the server's library, where the program knows it. */
  readonly version?: string;
}

/** What a line of output says, or undefined when it says something else. */
export function readyFrom(line: string): Ready | undefined {
  if (!line.includes(READY_EVENT)) return undefined;
  const { event, url, internalUrl, version } = JSON.parse(line) as Partial<
    Record<keyof Ready | "event", string>
  >;
  if (event !== READY_EVENT || url === undefined || internalUrl === undefined) return undefined;
  return { url, internalUrl, ...(version === undefined ? {} : { version }) };
}
