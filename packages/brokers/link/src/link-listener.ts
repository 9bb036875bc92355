// Owns: opening the link's listening socket in a place that only this user can reach, also if a
// stale socket file is there.
import { chmod, mkdir, mkdtemp, rm, rmdir, stat, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { LinkAddress } from "./link-address.ts";

/**
 * Where to listen. `unix` without a path: a new private directory, removed at the end. TCP is for
 * loopback hosts only.
 */
export type LinkPlace =
  | { readonly kind: "unix"; readonly path?: string }
  | { readonly kind: "tcp"; readonly host?: "127.0.0.1" | "::1"; readonly port?: number };

/**
 * The link cannot be opened there. `address_in_use`: a running process has it.
 * `directory_not_private`: others could reach the file.
 */
export class LinkListenError extends Error {
  readonly code: "address_in_use" | "directory_not_private" | "listen_failed";
  constructor(code: LinkListenError["code"], text: string, options?: { cause?: unknown }) {
    super(text, options);
    this.name = "LinkListenError";
    this.code = code;
  }
}

export interface LinkListener {
  readonly address: LinkAddress;
  /**
   * Stops listening and removes the socket file, and the directory if it was made for it. Open
   * connections stay.
   */
  close(): Promise<void>;
}

/** Opens the listener. Rejects with LinkListenError. */
export async function listenForLinks(
  place: LinkPlace,
  accept: (socket: Socket) => void,
): Promise<LinkListener> {
  const server = createServer(accept);
  if (place.kind === "tcp") {
    const host = place.host ?? "127.0.0.1";
    await listen(server, { host, port: place.port ?? 0 });
    const bound = server.address();
    const port = typeof bound === "object" && bound !== null ? bound.port : 0;
    return { address: { kind: "tcp", host, port }, close: () => stop(server) };
  }
  const ownDirectory =
    place.path === undefined ? await mkdtemp(join(tmpdir(), "holdfast-")) : undefined;
  const path = place.path ?? join(ownDirectory ?? "", "link.sock");
  if (place.path !== undefined) await demandPrivate(dirname(place.path));
  await listenOnFile(server, path);
  // The directory is private already. This protects the file if somebody opens the directory to
  // others.
  await chmod(path, 0o600);
  return {
    address: { kind: "unix", path },
    async close() {
      await stop(server);
      await rm(path, { force: true });
      if (ownDirectory !== undefined) await rmdir(ownDirectory);
    },
  };
}

/**
 * A socket file that a killed process left blocks its address. It is removed if no process answers
 * on it.
 */
async function listenOnFile(server: Server, path: string): Promise<void> {
  try {
    await listen(server, { path });
  } catch (error) {
    if (!(error instanceof LinkListenError) || error.code !== "address_in_use") throw error;
    if (!(await stat(path)).isSocket() || (await answers(path))) throw error;
    await unlink(path);
    await listen(server, { path });
  }
}

function listen(
  server: Server,
  where: { readonly path: string } | { readonly host: string; readonly port: number },
): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void => {
      const inUse = "code" in error && error.code === "EADDRINUSE";
      reject(
        new LinkListenError(
          inUse ? "address_in_use" : "listen_failed",
          `cannot listen: ${error.message}`,
          { cause: error },
        ),
      );
    };
    server.once("error", failed);
    server.listen(where, () => {
      server.off("error", failed);
      // Errors of single accepts come later and must not end the process.
      server.on("error", () => {});
      resolve();
    });
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    const end = (living: boolean): void => {
      probe.destroy();
      resolve(living);
    };
    probe.once("connect", () => end(true));
    probe.once("error", () => end(false));
  });
}

async function demandPrivate(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const { mode, uid } = await stat(directory);
  const ours = process.getuid?.() ?? uid;
  if (uid === ours && (mode & 0o077) === 0) return;
  throw new LinkListenError(
    "directory_not_private",
    `the directory of the link's socket must belong to this user alone (mode 0700): ${directory}`,
  );
}

const stop = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    // Connections outlive the listener; nobody waits for them.
    setImmediate(resolve);
  });
