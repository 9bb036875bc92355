// Owns: the line on stdout with which a server says that it listens: `holdfast serve` logs it, and
// every rival's program prints it.

export const READY_EVENT = "node_listening";

/**
 * Connections that may wait to be accepted, if a server can set it. With Node's 511, many clients
 * that come at once wait for TCP to repeat its packets.
 */
export const BACKLOG = 4096;

export interface Ready {
  /** Of the public listener, http or ws. */
  readonly url: string;
  /** The URL that says whether it is ready. */
  readonly internalUrl: string;
  /** Version of the server's library, if the program knows it. */
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
